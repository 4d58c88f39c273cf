"""What a notebook needs, no command line: `load_data`, `train`, `predict`, `load`.

Examples:
  >>> import tempfile
  >>> import numpy as np
  >>> import lenet_jax
  >>> digits = lenet_jax.load_data("sample")
  >>> few = digits.take(np.arange(0, 4000, 10))
  >>> run = tempfile.mkdtemp()
  >>> history = lenet_jax.train(few, run, epochs=2, batch_size=64, say=lambda line: None)
  >>> [int(row["epoch"]) for row in history]
  [1, 2]
  >>> test = lenet_jax.load_data("sample", part="test")
  >>> probabilities_NxK = lenet_jax.predict(run, test)
  >>> probabilities_NxK.shape
  (1000, 10)
  >>> read = lenet_jax.load(run)
  >>> bool(abs(read(test.images_NxHxW) - probabilities_NxK).max() < 1e-5)
  True
"""

import contextlib
import dataclasses
import functools
import os
import platform
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from lenet_jax import data, export
from lenet_jax.config import Config, recipes
from lenet_jax.config.arguments import check_fields, check_type, path_argument
from lenet_jax.data import Dataset
from lenet_jax.distributed import mesh, settings
from lenet_jax.environment import runtime, wording
from lenet_jax.errors import UserError
from lenet_jax.files import to_path
from lenet_jax.inference import predict as predicting
from lenet_jax.report import build
from lenet_jax.runs import compilation_cache, workdir
from lenet_jax.runs import mirror as mirrors
from lenet_jax.training import loop as training

# Compiling, a signal's handlers and Orbax's saving are of the process.
_ONE_AT_A_TIME = threading.RLock()
_DIGITS = "digits as lenet_jax.load_data gives them"


def load_data(
    source: str | os.PathLike[str] = "auto", part: str = "train", *, transposed: bool = False
) -> Dataset:
    """Digits, as the value of `--data` names them.

    Args:
      source: `auto` (the folder `data/` here, else the sample), `sample`, `kaggle` or `mnist`
        (downloaded), or the path of Kaggle's zip or of any other file or folder of digits.
      part: `train`, with labels, or `test`, which may have none.
      transposed: the digits are stored column by column, as EMNIST's CSVs are; they are turned.

    Returns:
      The digits: `images_NxHxW`, uint8 [N, 28, 28] with 0 for background and 255 for ink, and
      `labels_N`, int32 [N] in 0..9 or None.

    Raises:
      lenet_jax.errors.UserError: one line that names the place and says what to do.
      ValueError: there is no such part.

    Examples:
      >>> digits = load_data("sample")
      >>> digits.images_NxHxW.shape, digits.labels_N[:3].tolist()
      ((4000, 28, 28), [0, 0, 0])
    """
    if part not in ("train", "test"):
        raise ValueError(f"part must be train or test, not {part!r}")
    load = data.load_train if part == "train" else data.load_test
    with wording.errors_in_python():
        return load(
            os.fspath(source),
            say=lambda line: print(wording.in_python(line)),
            transposed=transposed,
        )


def train(
    dataset: Dataset,
    run: str | os.PathLike[str] = "runs/default",
    *,
    config: Config | None = None,
    mirror: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    **fields: Any,
) -> list[workdir.Row]:
    """Trains, or goes on training, and writes the files of a run with its report.

    Of several threads that call it one trains, and the others wait.

    Args:
      dataset: labelled digits; a fraction of them is held out as the config says.
      run: folder of the run, made if it is missing; one that holds a run of the same config and
        digits is gone on from.
      config: the recipe; that of `configs/default.py` if it is None.
      mirror: folder that outlives this machine, to which checkpoints and compiled programs are
        copied, and from which the run goes on where its own folder is empty.
      overwrite: files of the folder that no run has written may be replaced.
      say: is given what people should read.
      **fields: of the config, in place of its own: `epochs=5, members=4`.

    Returns:
      A row per epoch, the columns of `metrics.csv`: `train_loss`, `holdout_accuracy` and others;
      None stands for what was not measured.

    Raises:
      lenet_jax.errors.UserError: a field out of its range, a folder that belongs to another run, a
        loss that is not finite.
      TypeError: there is no such field, or an argument is of another type.

    Examples:
      >>> train("sample")
      Traceback (most recent call last):
      TypeError: dataset: digits as lenet_jax.load_data gives them, not 'sample'
      >>> train(load_data("sample"), epoch=5)
      Traceback (most recent call last):
      TypeError: there is no argument epoch; did you mean epochs or warmup_epochs or teacher?
    """
    check_type("dataset", dataset, Dataset, _DIGITS)
    check_type("run", run, str | os.PathLike, "a path")
    check_type("config", config, Config | None, "a lenet_jax.Config, or fields as epochs=5")
    check_type("mirror", mirror, str | os.PathLike | None, "a path")
    check_fields(fields)

    def tell(line: str) -> None:
        say(wording.in_python(line))

    with wording.errors_in_python():
        run, mirror = (
            path_argument("run", run),
            None if mirror is None else path_argument("mirror", mirror),
        )
        recipe = dataclasses.replace(config or recipes.config_of("default"), **fields)
        line = data.training_warning(dataset)
        if line is not None:
            warnings.warn(wording.in_python(line), stacklevel=2)
        with _ONE_AT_A_TIME, _prepared():
            kept_in = None
            if mirror is not None:
                cache: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
                kept_in = mirrors.begin(run, mirror, cache)
            result = training.train(
                recipe, dataset, run, say=tell, kept_in=kept_in, overwrite=overwrite
            )
            if result is not None:
                build.write_results(run, result)
                build.write_report(run, result, say=tell)
            if kept_in is not None:
                kept_in.copy()
            return workdir.read_metrics(run) if result is None else result.rows


def predict(
    run: str | os.PathLike[str], images: Dataset | np.ndarray, *, checkpoint: str = "latest"
) -> np.ndarray:
    """Probabilities of the ten digits, the members of an ensemble averaged.

    Digits that the run may have been trained on give a warning, and so do such as are unlike what
    it was trained on: inverted, turned, blank, noise.

    Args:
      run: folder of the run.
      images: as `load_data` gives them, or uint8 [N, 28, 28] with 0 for background and 255 for ink.
      checkpoint: `latest` or `best` (by hold-out accuracy).

    Returns:
      float32 [N, 10]; `argmax(axis=1)` are the digits.

    Raises:
      lenet_jax.errors.UserError: the folder holds no run.
      ValueError: images of another shape or type, or no such checkpoint.
      TypeError: an argument is of another type.
    """
    check_type("run", run, str | os.PathLike, "a path")
    if checkpoint not in ("latest", "best"):
        raise ValueError(f"checkpoint must be latest or best, not {checkpoint!r}")
    if isinstance(images, str | os.PathLike):
        raise TypeError(f"images: {_DIGITS}, or an array, not {images!r}")
    dataset = images
    if not isinstance(dataset, Dataset):
        dataset = Dataset(images_NxHxW=np.asarray(images), labels_N=None, source="csv", name="")
    with wording.errors_in_python():
        run = path_argument("run", run)
        told: list[str] = []
        record = workdir.read_run(run, say=told.append)
        if dataset is images:
            source, fingerprint = record.data_source, record.data_fingerprint
            told += filter(None, [data.overlap_warning(source, fingerprint, dataset)])
        told += filter(None, [data.prediction_warning(record.data_appearance, dataset)])
        for line in told:
            warnings.warn(wording.in_python(line), stacklevel=2)
        with _prepared():
            return predicting.from_run(run, record, dataset.images_NxHxW, checkpoint)


def load(path: str | os.PathLike[str]) -> Callable[[np.ndarray], np.ndarray]:
    """What `run_export.py` wrote, or a run itself, as a function of pictures.

    Args:
      path: of a `.stablehlo` or `.onnx` file, or the folder of a run.

    Returns:
      uint8 [B, 28, 28], 0 for background and 255 for ink -> float32 [B, 10], as `predict` gives.
      It raises ValueError for arrays of another shape or type.

    Raises:
      lenet_jax.errors.UserError: there is no such file or run, it cannot be read, or a package that
        it needs is not installed.
    """
    with contextlib.suppress(RuntimeError):
        _prepare()
    with wording.quiet_orbax(), wording.errors_in_python(), settings.taken_over():
        path = path_argument("path", path)
        if to_path(path).is_dir():
            workdir.read_run(path, say=lambda line: warnings.warn(line, stacklevel=4))
        read = export.load(path)

    @functools.wraps(read)
    def probabilities(images_BxHxW: np.ndarray) -> np.ndarray:
        with settings.taken_over():
            return read(images_BxHxW)

    return probabilities


def check_runtime(root: str = "/") -> str:
    """Says what this runtime is, and stops where its accelerator would be left unused.

    JAX falls back to the CPU where its plugin was replaced, which installing TensorFlow can do, or
    where another process holds the device. `JAX_PLATFORMS=cpu` in the environment says that the CPU
    is meant.

    Args:
      root: of the file system, in which devices are looked for.

    Returns:
      One line: where this is, the versions, and the devices that JAX uses.

    Raises:
      lenet_jax.errors.UserError: there is a GPU or a TPU that JAX does not use.

    Examples:
      >>> "Python 3." in check_runtime()
      True
    """
    with contextlib.suppress(RuntimeError):
        _prepare()
    where = runtime.provider() or "This machine"
    versions = f"Python {platform.python_version()}, jax {jax.__version__}"
    try:
        devices = mesh.make(1)
    except RuntimeError as error:
        # Where JAX_PLATFORMS names the accelerator JAX does not fall back.
        reason = str(error).partition("\n")[0]
        raise UserError(f"{where}, {versions}: {reason}. {runtime.remedy(root)}") from None
    unused = mesh.unused_accelerator(devices, root)
    if unused is None:
        on = mesh.platform(devices).upper()
        return f"{where}, on the {on}: {versions}, {mesh.describe(devices).rpartition(': ')[0]}"
    raise UserError(
        f"{where}, {versions}: {unused.partition(';')[0]}. {runtime.remedy(root)}; to use the CPU "
        "all the same, set os.environ['JAX_PLATFORMS'] = 'cpu' before JAX is imported"
    )


@contextlib.contextmanager
def _prepared() -> Iterator[None]:
    """Sets JAX up as the programs do, unless the notebook has started it before."""
    try:
        _prepare()
    except RuntimeError:
        warnings.warn(
            "JAX was started before lenet_jax could make every CPU core a device; training on a "
            "CPU takes up to twice as long",
            stacklevel=4,
        )
    with wording.quiet_orbax(), settings.taken_over() as lines:
        for line in lines:
            warnings.warn(line, stacklevel=4)
        yield


def _prepare() -> None:
    for line in settings.drop_unknown_flags():
        warnings.warn(line, stacklevel=5)
    folder = data.programs_folder()
    if folder is not None:
        compilation_cache.tend(folder)
    mesh.prepare(folder)
