"""The files of a run beside its checkpoints: `config.json`, `metrics.csv` and the lock."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from lenet_jax import __version__, config
from lenet_jax.config import Config
from lenet_jax.data import Dataset, appearance
from lenet_jax.environment import commands
from lenet_jax.errors import UserError
from lenet_jax.files import (
    is_remote,
    lock,
    make_folder,
    printable,
    remove_left_over,
    to_path,
    write_atomically,
)
from lenet_jax.runs import columns, signs, tables

CHECKPOINTS = "checkpoints"
CONFIG = "config.json"
METRICS = "metrics.csv"
NETWORKS = "networks.csv"
CALIBRATION = "calibration.json"
REPORT = "report"
CARD = "README.md"

LOCK = ".lock"

# Of `metrics.csv`.
COLUMNS = tuple(column.name for column in columns.COLUMNS)

Row = dict[str, float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What a run remembers of itself, the content of `config.json`.

    Attributes:
      config: of the run.
      data_source: what the digits are known to be, `Dataset.source`.
      data_name: where they were read from.
      data_fingerprint: of every pixel and label, the hold-out included.
      data_rows: their number, the hold-out included.
      train_rows: how many of them are trained on.
      teacher_fingerprint: of the networks that teach it, empty without a teacher.
      data_appearance: what the digits look like, `data.appearance.of_training`.
    """

    config: Config
    data_source: str
    data_name: str
    data_fingerprint: str
    data_rows: int
    train_rows: int
    teacher_fingerprint: str = ""
    data_appearance: dict = dataclasses.field(default_factory=dict)

    @property
    def held_rows(self) -> int:
        """How many digits are held out of the training of some member."""
        return self.data_rows - (0 if self.config.folds else self.train_rows)

    @classmethod
    def of(cls, config: Config, dataset: Dataset, train_rows: int) -> "Record":
        """The record of a run that is about to start."""
        return cls(
            config=config,
            data_source=dataset.source,
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            data_rows=len(dataset),
            train_rows=train_rows,
            data_appearance=appearance.of_training(dataset),
        )


@contextlib.contextmanager
def locked(workdir: str | os.PathLike[str]) -> Iterator[None]:
    """Makes the folder if it is missing and keeps other runs out of it inside the body.

    The system lets go of the lock when the process ends, however it ends. Where the file system
    (gs:// for one) has no such locks there is none.

    Raises:
      UserError: another process is in the body, or the folder cannot be made or written, or the
        body failed and the folder is no longer there.
    """
    folder = to_path(workdir)
    make_folder(folder)
    if is_remote(workdir):
        yield
        return
    try:
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise UserError(
            f"{printable(folder / LOCK)}: cannot be written ({error.strerror})"
        ) from None
    with file:
        try:
            lock(file)
        except BlockingIOError:
            raise UserError(
                f"{printable(workdir)}: another process is training in it; wait for its end or "
                "give another --workdir"
            ) from None
        except OSError:
            pass
        for written in (CONFIG, METRICS, NETWORKS, CALIBRATION, CARD):
            remove_left_over(folder / written)
        try:
            yield
        except Exception as error:
            # What fails in libraries then says nothing of it.
            if isinstance(error, UserError) or _is_at(file, folder / LOCK):
                raise
            raise UserError(
                f"{printable(workdir)}: was moved away or deleted while the run was in it; give "
                "the --workdir where it is now, and the same command goes on"
            ) from error


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def create(workdir: str | os.PathLike[str], record: Record) -> None:
    """Makes the folder and writes `config.json`.

    Raises:
      UserError: the folder cannot be made or written.
    """
    folder = to_path(workdir)
    make_folder(folder)
    fields = dataclasses.asdict(record)
    content = {"version": __version__, **fields, "config": record.config.as_dict()}
    write_atomically(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def read(workdir: str | os.PathLike[str]) -> Record | None:
    """The record of the run in a folder, None if no run has written one.

    Raises:
      UserError: `config.json` is not what a run writes.
    """
    path = to_path(workdir) / CONFIG
    name = printable(path)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    except (RecursionError, ValueError) as error:
        raise UserError(
            f"{name}: not valid JSON ({error}), so it is damaged or of no run; give another "
            "--workdir"
        ) from None
    types = {field.name: field.type for field in dataclasses.fields(Record)} | {"config": dict}
    if isinstance(content, dict):
        # Runs from before there were these.
        content = {"teacher_fingerprint": "", "data_appearance": {}, **content}
    wrong = [
        key
        for key, type_ in types.items()
        if not isinstance(content, dict) or type(content.get(key)) is not type_
    ]
    if wrong:
        raise UserError(f"{name}: {', '.join(wrong)} missing or of the wrong type; not of a run")
    fields: dict[str, Any] = {key: content[key] for key in types}
    fields["config"] = config.from_mapping(content["config"], source=name)
    return Record(**fields)


def read_run(workdir: str | os.PathLike[str], say: Callable[[str], None] | None = None) -> Record:
    """The record of a run that prediction can use.

    Args:
      workdir: of the run.
      say: is given a line if the run has not come to its end, or has lost its calibration.

    Raises:
      UserError: there is no run, or nothing was saved of it yet.
    """
    record = read(workdir)
    if record is None or not (to_path(workdir) / CHECKPOINTS).is_dir():
        raise UserError(
            f"{printable(workdir)}: holds no run; train one with "
            f"{commands.command('train', f'--workdir={printable(workdir)}')}"
        )
    if say is not None and not is_finished(workdir):
        done, asked = epochs_done(workdir, record), record.config.epochs
        what = f"only {done} of its {asked} epochs are done" if done < asked else f"has no {CARD}"
        tail = "the command that began the run goes on with it"
        say(f"WARNING: {printable(workdir)}: {what}; {tail}")
    elif say is not None and _has_lost_calibration(workdir, record):
        say(
            f"WARNING: {printable(workdir)}: has no {CALIBRATION} any more; probabilities are as "
            "the network gives them, of another temperature than the run's"
        )
    return record


def _has_lost_calibration(workdir: str | os.PathLike[str], record: Record) -> bool:
    # In a sweep a network may have diverged, to which none is fitted.
    fitted = record.held_rows and not record.config.folds and not record.config.sweep
    return bool(fitted) and not (to_path(workdir) / CALIBRATION).exists()


def is_finished(workdir: str | os.PathLike[str]) -> bool:
    """Whether a run has come to its end: its model card is the last file that it writes."""
    return signs.is_card(to_path(workdir) / CARD)


def epochs_done(workdir: str | os.PathLike[str], record: Record) -> int:
    """How many epochs of a run are done: all of them, or fewer if it was stopped or still runs."""
    return record.config.epochs if is_finished(workdir) else len(read_metrics(workdir))


def read_metrics(workdir: str | os.PathLike[str]) -> list[Row]:
    """The rows of `metrics.csv`, none if it is not there.

    Raises:
      UserError: it is not what a run writes.
    """
    with tables.reading(to_path(workdir) / METRICS, "metrics", "go on") as text:
        rows = tables.rows(text, COLUMNS)
        return [{name: float(row[name]) if row[name] else None for name in COLUMNS} for row in rows]


def write_metrics(workdir: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Writes all rows anew, whole or not at all; a run has few epochs and a row is short."""
    cells = [{name: _shortest(value) for name, value in row.items()} for row in rows]
    tables.write(to_path(workdir) / METRICS, COLUMNS, cells)


def write_networks(workdir: str | os.PathLike[str], rows: Sequence[dict[str, Any]]) -> None:
    """Writes a row per network: its seed, its fold, its trial of the sweep and its accuracy."""
    tables.write(to_path(workdir) / NETWORKS, tuple(rows[0]), rows)


def read_networks(workdir: str | os.PathLike[str], fields: Sequence[str]) -> list[dict[str, float]]:
    """The rows of `networks.csv`, none if it is not there.

    Args:
      workdir: of the run.
      fields: that the run sweeps.

    Raises:
      UserError: it is not what a run writes.
    """
    columns = ("network", "seed", "fold", *fields, "holdout_accuracy")
    with tables.reading(to_path(workdir) / NETWORKS, "networks", "go on") as text:
        return [{name: float(row[name]) for name in columns} for row in tables.rows(text, columns)]


def write_calibration(workdir: str | os.PathLike[str], numbers: dict[str, float]) -> None:
    """Writes the temperature and what it was fitted on, for prediction."""
    write_atomically(to_path(workdir) / CALIBRATION, json.dumps(numbers, indent=2) + "\n")


def read_temperature(workdir: str | os.PathLike[str]) -> float:
    """The temperature of a run, 1 where nothing was held out to fit it on.

    Raises:
      UserError: the file is not what a run writes.
    """
    with tables.reading(to_path(workdir) / CALIBRATION, "calibration", "predict") as text:
        if text is None:
            return 1.0
        temperature = float(json.loads(text)["temperature"])
        if not 0.01 < temperature < 100:
            raise ValueError(f"temperature {temperature}")
        return temperature


def _shortest(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"
