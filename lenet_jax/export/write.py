"""From a run to a file or folder of one of the formats."""

import os
from pathlib import Path
from typing import Any

import jax

from lenet_jax import __version__, workdir
from lenet_jax.errors import UserError
from lenet_jax.export import network, onnx_model, stablehlo, web
from lenet_jax.files import make_folder, place, shown, write_atomically

FORMATS = ("web", "onnx", "stablehlo")


def default_output(folder: str | os.PathLike[str], format: str) -> Path:
    """Where an export goes if nobody says where: into the run's own folder."""
    return place(folder) / "export" / ("web" if format == "web" else f"lenet5.{format}")


def write(
    output: str | os.PathLike[str],
    format: str,
    record: workdir.Record,
    params_M: Any,
    temperature: float,
    *,
    epochs: int | None = None,
) -> None:
    """Writes a run in one of the `FORMATS`; each file whole or not at all.

    Args:
      output: a file that ends in `.stablehlo` or `.onnx`, or for `web` a folder. The folders it
        lies in are made.
      format: one of `FORMATS`.
      record: of the run.
      params_M: NumPy arrays with a leading member axis.
      temperature: of the run's calibration.
      epochs: how many are done; all of the run's if it is None.

    Raises:
      UserError: `output` cannot be written or has the wrong ending, or a package is missing.
    """
    path = place(output)
    if format != "web" and path.suffix != f".{format}":
        raise UserError(f"--output={shown(path)}: must end in .{format} for --format={format}")
    if format == "stablehlo":
        files = {path: stablehlo.serialise(record.config, params_M, temperature)}
    else:
        lenet5, about = (
            network.of(record.config, params_M, temperature),
            _about(record, params_M, epochs),
        )
        if format == "web":
            pages = web.files(lenet5, about)
            files = {path / name: content for name, content in pages.items()}
        else:
            told = {name: str(value) for name, value in about.items()}
            files = {path: onnx_model.serialise(lenet5, told)}
    make_folder(next(iter(files)).parent)
    for file, content in files.items():
        write_atomically(file, content)


def _about(record: workdir.Record, params_M: Any, epochs: int | None) -> dict[str, str | int]:
    """What should be known of a network wherever it goes."""
    config = record.config
    parameters = sum(leaf.size for leaf in jax.tree.leaves(params_M))
    return {
        "model": config.model,
        "members": config.networks,
        "parameters": parameters,
        "trained on": record.data_source,
        "training digits": record.train_rows,
        "epochs": config.epochs if epochs is None else epochs,
        "seed": config.seed,
        "lenet-jax": __version__,
    }
