"""The last lines about a finished run, read from its files, whenever it has ended."""

import numpy as np

from lenet_jax import sweep
from lenet_jax.config import Config
from lenet_jax.environment import commands
from lenet_jax.files import printable, to_path
from lenet_jax.runs import signs, workdir


def lacking(folder: str, again: str) -> list[str]:
    """Lines about what a finished run has lost of its files, none for a whole one.

    Args:
      folder: the run's workdir.
      again: the command that makes its report again.

    Raises:
      UserError: a file is not what a run writes.
    """
    record, there = workdir.read_run(folder), to_path(folder)
    config, told = record.config, []
    if len(workdir.read_metrics(folder)) < config.epochs:
        told.append(f"{workdir.METRICS} lacks some of its epochs, and what was in them is lost")
    if config.num_models > 1 and not (there / workdir.NETWORKS).exists():
        told.append(f"{workdir.NETWORKS} is gone, and what was in it is lost")
    if not signs.is_report(there / workdir.REPORT):
        told.append(f"has no report of its own; to make it again: {again}")
    return [f"WARNING: {printable(folder)}: {line}" for line in told]


def lines(folder: str, data: str, *, predicted: bool = False) -> str:
    """Its numbers, where the pictures are, what comes next.

    Args:
      folder: the run's workdir.
      data: what it was trained on, as the user gave it.
      predicted: whether its test digits are predicted already.

    Raises:
      UserError: a file is not what a run writes.
    """
    record = workdir.read_run(folder)
    return "\n".join([*_numbers(folder, record), *_next(folder, data, predicted=predicted)])


def _numbers(folder: str, record: workdir.Record) -> list[str]:
    rows, config = workdir.read_metrics(folder), record.config
    told = [f"Done: {config.epochs} epochs"]
    if len(rows) < config.epochs:
        return told
    last = rows[-1]
    told[0] += f" in {sum(row['seconds'] or 0.0 for row in rows):.1f} s"
    if last["holdout_accuracy"] is not None:
        each = "the members' mean accuracy is " if config.num_models > 1 else ""
        told.append(
            f"Hold-out: {each}{last['holdout_accuracy']:.2%} of {record.held_rows:,} digits"
        )
        if last["ensemble_accuracy"] is not None:
            told[-1] += f", that of their average {last['ensemble_accuracy']:.2%}"
    return told + _points(folder, config)


def _next(folder: str, data: str, *, predicted: bool) -> list[str]:
    """What to type next; nothing else stands in its lines, which are to be pasted as they are."""
    run = f"--workdir={folder}"
    output = "submission.csv"
    page = to_path(folder) / workdir.REPORT / signs.PAGE
    to_predict = [
        f"Next, to predict digits and write {output}:",
        f"  {commands.command('predict', run, f'--data={data}', f'--output={output}')}",
    ]
    to_draw = [
        f"{'Next' if predicted else 'Or'}, to draw digits on a page:",
        f"  {commands.command('export', run, '--serve')}",
    ]
    return [
        *([f"Report: {page}"] if page.exists() else []),
        *([] if predicted else to_predict),
        *to_draw,
    ]


def _points(folder: str, config: Config) -> list[str]:
    """A line for each trial of the sweep, the best first."""
    if not config.sweep:
        return []
    swept = workdir.read_networks(folder, tuple(config.trials[0]))
    if not swept:
        return []
    by_trial = sweep.accuracies(config.sweep, swept)
    by_trial.sort(key=lambda each: float(np.mean(each[1])), reverse=True)
    return [
        "Sweep:",
        *(
            f"  {np.mean(each):.3%} +- {np.std(each, ddof=len(each) > 1):.3%}  {sweep.named(trial)}"
            for trial, each in by_trial
        ),
    ]
