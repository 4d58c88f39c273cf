"""`make readers`: opens our ONNX files with every reader, and writes the table of the how-to.

python tests/slow/readers/table.py FOLDER [NAME ...]

Each reader has an environment in FOLDER, which stays; with names, only the readers whose name
begins so are tried, and the how-to is left as it is. The exit status is 1 if a reader is right with
no form of the file, or silently wrong with the one that the table names.
"""

import dataclasses
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import environments
import networks_to_read
import numpy as np
from readers import READERS, Reader
from table_pages import PAGE, between, markdown

from lenet_jax.data import sample

HERE = Path(__file__).parent
# With empty lines, or Markdown sees no table.
BEGIN, END = "<!-- readers -->\n\n", "\n<!-- /readers -->\n"
# Not in the order of their sizes: some readers keep what they made for the first one.
SIZES = (3, 1, 1000)
TOLERANCE = 1e-4
ENDED = "ends with status"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a reader did with one form of the files.

    Attributes:
      difference: the largest from what the run itself gives, NaN where nothing came.
      refused: what it says to the first file that it does not read, empty if it reads all.
      wrong: kind and batch that come out wrong without an error.
    """

    difference: float
    refused: str
    wrong: tuple[str, ...]

    @property
    def right(self) -> bool:
        return not self.refused and not self.wrong


def main() -> None:
    # Orbax warns of what is asked of it on purpose.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    folder, *names = sys.argv[1:]
    chosen = [reader for reader in READERS if not names or reader.name.startswith(tuple(names))]
    digits = sample.load("test").images_NxHxW[: max(SIZES)]
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as files:
        expected = networks_to_read.make(Path(folder, "runs"), Path(files), digits)
        np.save(Path(files, "digits.npy"), digits)
        for reader in chosen:
            try:
                python = environments.make(reader, Path(folder))
            except environments.Missing as error:
                rows.append((reader.name, "not tried", "", "", str(error)))
                failed.append(reader.name)
            else:
                row, right = _row(reader, python, Path(files), expected)
                rows.append(row)
                failed += [] if right else [reader.name]
            print(*rows[-1], sep=" | ", flush=True)
    if not names:
        head = ("reader", "reads the file as it is", "flags", "largest difference", "remark")
        PAGE.write_text(between(PAGE.read_text(), BEGIN, END, markdown([head, *rows])))
    if failed:
        sys.exit(f"not right: {', '.join(failed)}")


def _row(reader: Reader, python: Path, files: Path, expected: dict) -> tuple[tuple, bool]:
    """The reader's row, and whether a form of the files is right."""
    default = outcome = None
    for form in networks_to_read.FORMS:
        outcome = _try(reader, python, files, form, expected)
        default = default or outcome
        if outcome.right:
            break
    remarks = [reader.remark] if reader.remark else []
    if default.wrong:
        remarks.append(f"**wrong without an error as it is** ({', '.join(default.wrong)})")
    elif default.refused:
        remarks.append(f"as it is: {default.refused}")
    if outcome.right:
        remarks.append(_batch_0(reader, python, files, form))
    flags = " ".join(f"`{flag}`" for flag in form) or "none"
    difference = f"{outcome.difference:.0e}" if outcome.right else "none is right"
    told = "; ".join(filter(None, remarks)).replace("|", "\\|")
    return (reader.name, "yes" if default.right else "no", flags, difference, told), outcome.right


def _try(reader: Reader, python: Path, files: Path, form: tuple, expected: dict) -> Outcome:
    largest, wrong = float("nan"), []
    sizes = tuple(min(size, reader.largest_batch) for size in SIZES)
    for kind, probabilities in expected.items():
        got, told = _read(reader, python, files, kind, form, sizes)
        for size in sizes:
            if str(size) in got:
                difference = np.abs(got[str(size)] - probabilities[:size]).max()
                largest = np.fmax(largest, difference)
                # Not `>`: NaN is wrong too.
                if not difference <= TOLERANCE:
                    wrong.append(f"{kind}, batch {size}: off by {difference:.2g}")
        if told or wrong:
            return Outcome(largest, told and f"{kind}: {told}", tuple(wrong))
    return Outcome(largest, "", ())


def _batch_0(reader: Reader, python: Path, files: Path, form: tuple) -> str:
    if networks_to_read.FORMS[form][1] is not None:
        return ""
    got, told = _read(reader, python, files, "one", form, (0, 3))
    if "3" in got:
        return ""
    return "an empty batch ends the process" if ENDED in told else "refuses an empty batch"


def _read(
    reader: Reader, python: Path, files: Path, kind: str, form: tuple, sizes: tuple
) -> tuple[dict, str]:
    """Arrays by the size of the batch, and the error that kept the others from coming."""
    pixels, batch = networks_to_read.FORMS[form]
    with tempfile.TemporaryDirectory(dir=files) as folder:
        output = Path(folder, "answer")
        request = {
            "digits": str(files / "digits.npy"),
            "file": str(networks_to_read.file(files, kind, form)),
            "pixels": pixels,
            "batch": batch,
            "sizes": sizes,
            "output": str(output),
        }
        Path(folder, "request.json").write_text(json.dumps(request))
        command = [python, HERE / f"{reader.script}.py", Path(folder, "request.json")]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            ended = ""
            if done.returncode:
                ended = _line(done.stderr + f"error: {ENDED} {done.returncode}")
        except subprocess.TimeoutExpired:
            ended = "does not come to an end"
        answers = output.with_suffix(".npz")
        got = dict(np.load(answers)) if answers.exists() else {}
        error = output.with_suffix(".txt")
        return got, _line(error.read_text()) if error.exists() else ended


def _line(text: str) -> str:
    """The line of a traceback that says most, fit for a table."""
    lines = [line for line in text.splitlines() if "error" in line.lower() or ": " in line]
    return "`" + " ".join((lines or text.splitlines())[-1].split())[:110].replace("`", "'") + "`"


if __name__ == "__main__":
    main()
