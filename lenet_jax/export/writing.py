"""From a run to a file or folder of one of the formats."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from lenet_jax import __version__
from lenet_jax.data import leakage
from lenet_jax.errors import UserError
from lenet_jax.export import c_header, golden, int8, network, onnx_model, stablehlo, web
from lenet_jax.export.signature import Signature
from lenet_jax.files import make_folder, printable, to_path
from lenet_jax.runs import workdir, written

# Of the file of each format; a page is a folder.
ENDINGS = {"web": "", "onnx": ".onnx", "int8": ".onnx", "stablehlo": ".stablehlo", "c": ".h"}
FORMATS = tuple(ENDINGS)
ANY_BATCH = Signature()


def default_output(folder: str | os.PathLike[str], format: str, model: str = "lenet5") -> Path:
    """Where an export goes if nobody says where: into the run's own folder."""
    file = f"{stem_of(model)}{ENDINGS[format]}"
    return to_path(folder) / "export" / ("web" if format == "web" else file)


def stem_of(model: str) -> str:
    """What files, and names in them, begin with."""
    return "modern" if model == "modern" else "lenet5"


def files_of(output: str | os.PathLike[str], format: str) -> list[Path]:
    """The files that an export to `output` writes."""
    path = to_path(output)
    if format == "web":
        return [path / name for name in ("index.html", *web.BESIDE)]
    return [path, path.with_suffix(".golden.npz")] if format == "int8" else [path]


def write(
    output: str | os.PathLike[str],
    format: str,
    record: workdir.Record,
    params_M: Any,
    temperature: float,
    *,
    epochs: int | None = None,
    accuracy: float | None = None,
    signature: Signature = ANY_BATCH,
    overwrite: bool = False,
) -> None:
    """Writes a run in one of the `FORMATS`; its files whole or not at all.

    Args:
      output: a file with the format's ending of `ENDINGS`, or for `web` a folder. The folders
        it lies in are made. Beside the file of `int8` goes one of golden digits.
      format: one of `FORMATS`.
      record: of the run.
      params_M: NumPy arrays with a leading member axis.
      temperature: of the run's calibration.
      epochs: how many are done; all of the run's if it is None.
      accuracy: on the hold-out, in [0, 1], to be told in the file; None if nothing was held out.
      signature: what the network is given; `web` and `c` know but the default.
      overwrite: files that were not written here may be replaced.

    Raises:
      UserError: `output` cannot be written or has the wrong ending, another file is there, or a
        package is missing.
    """
    path, ending = to_path(output), ENDINGS[format]
    if ending and path.suffix != ending:
        asked = "--int8" if format == "int8" else f"--format={format}"
        raise UserError(f"--output={printable(path)}: must end in {ending} for {asked}")
    about = _about(record, params_M, epochs, accuracy)
    told = {name: str(value) for name, value in about.items()}
    config = record.config
    layers = network.of(config, params_M, temperature)
    if format == "web":
        files = {path / name: content for name, content in web.files(layers, about).items()}
    elif format == "stablehlo":
        content = stablehlo.serialise(config, params_M, temperature, told, signature)
        files = {path: content}
    elif format == "c":
        digits_BxHxW = golden.digits()
        golden_BxK = stablehlo.run(config, params_M, temperature)(digits_BxHxW)
        told["golden digits"] = golden.CREDIT
        stem = stem_of(config.model)
        files = {path: c_header.serialise(layers, stem, told, digits_BxHxW, golden_BxK)}
    else:
        content = onnx_model.serialise(layers, told, signature)
        files = {path: content}
        if format == "int8":
            content = int8.quantise(content, signature, tuple(layers.layers)[1:-1])
            digits_BxHxW = golden.digits()
            golden_BxK = onnx_model.deserialise(content)(digits_BxHxW)
            _, beside = files_of(path, format)
            files = {path: content, beside: golden.serialise(digits_BxHxW, golden_BxK)}
    make_folder(next(iter(files)).parent)
    written.write_together(files.items(), overwrite=overwrite)


def holdout_accuracy(rows: Sequence[workdir.Row], checkpoint: str) -> float | None:
    """The accuracy on the hold-out, in [0, 1], that a run's checkpoint was saved with.

    Args:
      rows: of the run's `metrics.csv`.
      checkpoint: `latest` or `best`.

    Returns:
      Mean of the networks, and for the latest that of the averaged ensemble if there is one. None
      if nothing was held out.
    """
    alone = [row["holdout_accuracy"] for row in rows if row["holdout_accuracy"] is not None]
    if checkpoint == "best" or not alone:
        return max(alone, default=None)
    together = rows[-1]["ensemble_accuracy"]
    return alone[-1] if together is None else together


def _about(
    record: workdir.Record, params_M: Any, epochs: int | None, accuracy: float | None
) -> dict[str, str | int | float]:
    """What should be known of a network wherever it goes."""
    config = record.config
    parameters = sum(leaf.size for leaf in jax.tree.leaves(params_M))
    return {
        "model": config.model,
        "members": config.num_models,
        "parameters": parameters,
        "labels": "0 1 2 3 4 5 6 7 8 9",
        "pixels": "0 for background, 255 for ink, centred as MNIST's; normalised inside",
        "trained on": record.data_source,
        "training digits": record.train_rows,
        "data fingerprint": record.data_fingerprint,
        "epochs": config.epochs if epochs is None else epochs,
        "seed": config.seed,
        "hold-out accuracy": "nothing was held out" if accuracy is None else round(accuracy, 6),
        "scores on Kaggle's test set": leakage.score_warning(record.data_source) or "are honest",
        "licence": "Apache-2.0",
        "lenet-jax": __version__,
    }
