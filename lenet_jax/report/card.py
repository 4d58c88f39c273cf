"""The model card: a workdir's `README.md`."""

import dataclasses
import json
import math
import platform
import shlex
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from lenet_jax.data import leakage
from lenet_jax.environment import commands
from lenet_jax.files import shown
from lenet_jax.report.markdown import code, table
from lenet_jax.runs import workdir

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """What a model card tells.

    Attributes:
      workdir: folder of the run, as the user gives it to `--workdir`.
      config: every field of the run's config.
      parameters: trainable, of one member.
      networks: number of members.
      held_rows: how many digits were held out of some member's training.
      data_source: what the digits are known to be, `Dataset.source`.
      data_name: where they were read from.
      data_fingerprint: of every pixel and label, the hold-out included.
      data_rows: their number, the hold-out included.
      train_rows: how many of them were trained on; the rest was held out.
      holdout_accuracy: after the last epoch, mean of the members, in [0, 1]; None if nothing was
        held out.
      ensemble_accuracy: the same of the averaged members; None if nothing was held out or there is
        one member.
      seconds: spent in training.
      device: a line that names the devices.
      versions: of the software, name -> version, see `versions`.
      settings: variables that the run obeyed and that may decide its numbers, empty for none.
    """

    workdir: str
    config: Mapping[str, Any]
    parameters: int
    networks: int
    held_rows: int
    data_source: str
    data_name: str
    data_fingerprint: str
    data_rows: int
    train_rows: int
    holdout_accuracy: float | None
    ensemble_accuracy: float | None
    seconds: float
    device: str
    versions: Mapping[str, str]
    settings: str = ""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers, in a fixed order."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def model_name(config: Mapping[str, Any], networks: int) -> str:
    """What a run's model is called.

    Examples:
      >>> model_name({"model": "lenet5", "width": 1}, networks=4)
      '4 x LeNet-5'
    """
    model = "LeNet-5 of 1998" if config["model"] == "lecun1998" else "LeNet-5"
    if config["width"] > 1:
        model += f", {config['width']} times as wide"
    return model if networks == 1 else f"{networks} x {model}"


def model_card(card: Card) -> str:
    """The text of a workdir's `README.md`, in Hugging Face's format: YAML head, then Markdown.

    The sections are those of the template of `huggingface_hub`; those that there is nothing to say
    in are left out.
    """
    seed, members = card.config["seed"], card.networks
    config = [(f"`{name}`", code(str(value))) for name, value in card.config.items()]
    return f"""\
---
{_head(card)}
---

# {model_name(card.config, card.networks)}

{_what(card)}

## Model Details

- **Model type:** convolutional network for images of one digit
- **License:** Apache 2.0
- **Paper:** [LeCun, Bottou, Bengio and Haffner, 1998]\
(http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf)

## Uses

### Direct Use

The input is a grey picture of one digit, uint8 [28, 28], 0 for background and 255 for ink, \
centred as MNIST's are; the output is a probability for each of the ten digits.

### Out-of-Scope Use

What is no digit, a letter for instance, is called a digit too. Nothing that matters to people \
should hang on an answer that nobody looks at.

## Bias, Risks, and Limitations

The digits were written by employees of the American Census Bureau and by high-school students; \
other hands, a crossed 7 for instance, may be read worse. See `report/report.html` for the \
mistakes and for how far a confidence can be trusted.

## How to Get Started with the Model

```sh
{commands.usual("predict")} --workdir={shlex.quote(shown(card.workdir))} \
--data=digit-recognizer.zip --output=submission.csv
```

## Training Details

### Training Data

- name: {code(card.data_name)}
- digits: {card.data_rows:,}, {_shares(card)}
- source: {code(card.data_source)}
- fingerprint: {code(card.data_fingerprint)}{_warned(card.data_source)}

### Training Procedure

- {f"seed {seed}" if members == 1 else f"seeds {seed} to {seed + members - 1}"}
- {card.config["epochs"]} epochs in {_duration(card.seconds)}

#### Training Hyperparameters

{table(("field", "value"), config)}

## Evaluation

{_evaluation(card)}

## Technical Specifications

### Hardware

- devices: {card.device}{f"{chr(10)}- settings: {code(card.settings)}" if card.settings else ""}

### Software

{table(("software", "version"), card.versions.items())}
"""


def _head(card: Card) -> str:
    """The metadata in YAML; foreign text is quoted as in JSON, which is YAML too."""
    lines = [
        "license: apache-2.0",
        "library_name: flax",
        "pipeline_tag: image-classification",
        workdir.CARD_TAGS,
    ]
    known = card.data_source.startswith(("kaggle", "sample", "mnist"))
    if known:
        lines.append("datasets: [ylecun/mnist]")
    lines.append("metrics: [accuracy]")
    accuracy = _claimed(card)
    if accuracy is not None:
        dataset = "ylecun/mnist" if known else card.data_source
        lines += [
            "model-index:",
            f"- name: {json.dumps(model_name(card.config, card.networks))}",
            "  results:",
            "  - task: {type: image-classification, name: Image Classification}",
            "    dataset:",
            f"      type: {json.dumps(dataset)}",
            f"      name: {json.dumps(shown(card.data_name))}",
            "      split: hold-out",
            "    metrics:",
            f"    - {{type: accuracy, value: {accuracy:.6f}, name: Hold-out accuracy}}",
        ]
    return "\n".join(lines)


def _claimed(card: Card) -> float | None:
    """The accuracy of what predicts: of the averaged members, or of the only one."""
    if card.data_rows == card.train_rows:
        return None
    return card.holdout_accuracy if card.ensemble_accuracy is None else card.ensemble_accuracy


def _what(card: Card) -> str:
    if card.config["model"] == "lecun1998":
        network = (
            "LeNet-5 to the letter of the paper: scaled tanh, trainable subsampling, the sparse "
            "connection table of C3 and RBF output units"
        )
    else:
        order = {"pool_act": "subsampled, then squashed", "act_pool": "squashed, then subsampled"}
        network = (
            f"LeNet-5 with `{card.config['activation']}` units, convolutions "
            f"{order[card.config['subsampling']]}"
        )
    what = (
        "Reads handwritten digits, for Kaggle's Digit Recognizer. "
        f"{network}, written in JAX and Flax: {card.parameters:,} trainable parameters."
    )
    if teacher := card.config["teacher"]:
        what += f" Taught by the networks of the run in {code(teacher)}: see `teacher` below."
    members = card.networks
    if members == 1:
        return what
    differ = ["seeds"]
    if card.config["folds"]:
        differ.append("folds that they were not trained on")
    if card.config["sweep"]:
        differ.append(f"hyperparameters ({code(card.config['sweep'])})")
    return (
        f"{what} An ensemble of {members} such networks, which differ by their "
        f"{' and '.join(differ)}; predictions average the probabilities of them all. "
        f"Together: {members * card.parameters:,} parameters."
    )


def _shares(card: Card) -> str:
    if folds := card.config["folds"]:
        return f"each network trained without one of {folds} folds, {card.train_rows:,} digits"
    return f"of which {card.train_rows:,} were trained on and {card.held_rows:,} held out"


def _evaluation(card: Card) -> str:
    held = card.held_rows
    if card.holdout_accuracy is None or not held:
        return "Nothing was held out of training, so this card claims no accuracy."
    members, epochs = card.networks // max(1, card.config["folds"]), card.config["epochs"]
    alone = "one network" if card.networks == 1 else "one network, mean of the members"
    results = [(alone, card.holdout_accuracy)]
    if card.ensemble_accuracy is not None:
        results.append((f"ensemble of {members}", card.ensemble_accuracy))
    numbers = table(
        ("hold-out", "accuracy", "digits", "epochs"),
        [(name, f"{value:.2%}", f"{held:,}", f"{epochs}") for name, value in results],
    )
    best = results[-1][1]
    luck = 100 * math.sqrt(best * (1 - best) / held)
    return (
        f"{numbers}\n\n"
        "The held-out digits, the config and the number of epochs were fixed before training, and "
        "none of these digits was trained on. The numbers are those after the last epoch, not of "
        f"the best one. On so many digits, one standard deviation of luck is {luck:.2f} points; "
        "where recipes were compared on the same digits, the better number flatters."
    )


def _warned(source: str) -> str:
    warning = leakage.score_warning(source)
    return f"\n\n**{warning}**" if warning else ""


def _duration(seconds: float) -> str:
    """Seconds as people say them: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 0 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
