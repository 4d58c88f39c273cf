"""The model card: a workdir's `README.md`."""

import json
import math
import platform
import shlex
from importlib import metadata
from typing import TYPE_CHECKING

from lenet_jax.config import Config
from lenet_jax.data import leakage
from lenet_jax.environment import commands
from lenet_jax.files import printable
from lenet_jax.report.markdown import code, table
from lenet_jax.runs import workdir
from lenet_jax.runs.signs import OF_CARD
from lenet_jax.runs.workdir import Record

if TYPE_CHECKING:
    from lenet_jax.training.result import Result

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers, in a fixed order."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def model_name(config: Config) -> str:
    """What a run's model is called.

    Examples:
      >>> model_name(Config(members=4))
      '4 x LeNet-5'
    """
    names = {"lecun1998": "LeNet-5 of 1998", "modern": "3x3 network"}
    model = names.get(config.model, "LeNet-5")
    if config.width > 1:
        model += f", {config.width} times as wide"
    return model if config.num_models == 1 else f"{config.num_models} x {model}"


def model_card(result: "Result", workdir: str, settings: str = "") -> str:
    """The text of a workdir's `README.md`, in Hugging Face's format: YAML head, then Markdown.

    The sections are those of the template of `huggingface_hub`; those that there is nothing to say
    in are left out.

    Args:
      result: of the run.
      workdir: its folder, as the user gives it to `--workdir`.
      settings: variables that the run obeyed and that may decide its numbers, empty for none.
    """
    record, config = result.record, result.record.config
    seed, members = config.seed, config.num_models
    fields = [(f"`{name}`", code(str(value))) for name, value in config.as_dict().items()]
    return f"""\
---
{_head(result)}
---

# {model_name(config)}

{_what(result)}

## Model Details

- **Model type:** convolutional network for images of one digit
- **License:** Apache 2.0
{_paper(config)}

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
{commands.usual("predict")} --workdir={shlex.quote(workdir)} \
--data=digit-recognizer.zip --output=submission.csv
```

## Training Details

### Training Data

- name: {code(record.data_name)}
- digits: {record.data_rows:,}, {_rows_used(record)}
- source: {code(record.data_source)}
- fingerprint: {code(record.data_fingerprint)}{_warned(record.data_source)}

### Training Procedure

- {f"seed {seed}" if members == 1 else f"seeds {seed} to {seed + members - 1}"}
- {config.epochs} epochs in {_duration(result.seconds)}

#### Training Hyperparameters

{table(("field", "value"), fields)}

## Evaluation

{_evaluation(result)}

## Technical Specifications

### Hardware

- devices: {result.devices}{f"{chr(10)}- settings: {code(settings)}" if settings else ""}

### Software

{table(("software", "version"), versions().items())}
"""


def _head(result: "Result") -> str:
    """The metadata in YAML; foreign text is quoted as in JSON, which is YAML too."""
    record = result.record
    lines = [
        "license: apache-2.0",
        "library_name: flax",
        "pipeline_tag: image-classification",
        OF_CARD,
    ]
    known = record.data_source.startswith(("kaggle", "sample", "mnist"))
    if known:
        lines.append("datasets: [ylecun/mnist]")
    lines.append("metrics: [accuracy]")
    # Of what predicts: the averaged members, or the only one.
    results = _accuracies(result)
    if results:
        dataset = "ylecun/mnist" if known else record.data_source
        lines += [
            "model-index:",
            f"- name: {json.dumps(model_name(record.config))}",
            "  results:",
            "  - task: {type: image-classification, name: Image Classification}",
            "    dataset:",
            f"      type: {json.dumps(dataset)}",
            f"      name: {json.dumps(printable(record.data_name))}",
            "      split: hold-out",
            "    metrics:",
            f"    - {{type: accuracy, value: {results[-1][1]:.6f}, name: Hold-out accuracy}}",
        ]
    return "\n".join(lines)


def _accuracies(result: "Result") -> list[tuple[str, float]]:
    """Whose accuracy is claimed, and it; none if nothing was held out."""
    # A run that goes on at its end may have lost its rows.
    record, last = result.record, (result.rows or [dict.fromkeys(workdir.COLUMNS)])[-1]
    config, alone, together = record.config, last["holdout_accuracy"], last["ensemble_accuracy"]
    if alone is None or not record.held_rows:
        return []
    named = "one network" if config.num_models == 1 else "one network, mean of the members"
    averaged = [] if together is None else [(f"ensemble of {config.models_per_fold}", together)]
    return [(named, alone), *averaged]


def _what(result: "Result") -> str:
    config, members = result.record.config, result.record.config.num_models
    if config.model == "lecun1998":
        network = (
            "LeNet-5 to the letter of the paper: scaled tanh, trainable subsampling, the sparse "
            "connection table of C3 and RBF output units"
        )
    elif config.model == "modern":
        network = (
            f"A network of 3x3 convolutions in pairs, with `{config.activation}` units and strided "
            "convolutions in place of pooling"
        )
    else:
        order = {"pool_act": "subsampled, then squashed", "act_pool": "squashed, then subsampled"}
        network = (
            f"LeNet-5 with `{config.activation}` units, convolutions {order[config.subsampling]}"
        )
    what = (
        "Reads handwritten digits, for Kaggle's Digit Recognizer. "
        f"{network}, written in JAX and Flax: {result.parameters:,} trainable parameters."
    )
    if config.teacher:
        what += (
            f" Taught by the networks of the run in {code(config.teacher)}: see `teacher` below."
        )
    if members == 1:
        return what
    differ = ["seeds"]
    if config.folds:
        differ.append("folds that they were not trained on")
    if config.sweep:
        differ.append(f"hyperparameters ({code(config.sweep)})")
    return (
        f"{what} An ensemble of {members} such networks, which differ by their "
        f"{' and '.join(differ)}; predictions average the probabilities of them all. "
        f"Together: {members * result.parameters:,} parameters."
    )


def _paper(config: Config) -> str:
    if config.model == "modern":
        return "- **Made for:** teaching LeNet-5, and submissions"
    return (
        "- **Paper:** [LeCun, Bottou, Bengio and Haffner, 1998]"
        "(http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf)"
    )


def _rows_used(record: Record) -> str:
    if folds := record.config.folds:
        return f"each network trained without one of {folds} folds, {record.train_rows:,} digits"
    return f"of which {record.train_rows:,} were trained on and {record.held_rows:,} held out"


def _evaluation(result: "Result") -> str:
    results, held = _accuracies(result), result.record.held_rows
    if not results:
        return "Nothing was held out of training, so this card claims no accuracy."
    epochs = f"{result.record.config.epochs}"
    numbers = table(
        ("hold-out", "accuracy", "digits", "epochs"),
        [(name, f"{value:.2%}", f"{held:,}", epochs) for name, value in results],
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
