"""Exports a trained run: `lenet-export`, or `run_export.py`; see `--help`."""

import functools
from pathlib import Path

from lenet_jax.environment import packages

with packages.required():
    from absl import flags

    from lenet_jax.cli import program
    from lenet_jax.cli.command_line import OVERWRITE
    from lenet_jax.errors import UserError
    from lenet_jax.files import printable
    from lenet_jax.runs import workdir

HELP = """python run_export.py --workdir=runs/first --format=web --serve

Writes the run in the workdir, the members of an ensemble averaged, as one file or folder that
needs neither the run nor this package: a page to draw digits on (web), ONNX, StableHLO, or a
C99 header (c). All take pixels, uint8 [B, 28, 28], and give probabilities, float32 [B, 10].
docs/howto/export.md tells which programs read them, and which need --input or --batch.
lenet_jax.load(path) reads ONNX and StableHLO back as functions."""
OF_FORMAT = "What to write; the ending of --output says it, too."
OF_OUTPUT = """The folder (web) or file to write; export/web, or export/lenet5 (or modern) with the
ending .onnx, .stablehlo or .h, in the workdir by default."""
OF_INT8 = """Weights of onnx as whole numbers of 8 bits, calibrated on digits of the sample; beside
it goes a file of digits with their probabilities."""
OF_INPUT = "Type of the pixels, 0..255 in both, of onnx and stablehlo."
OF_BATCH = "Pictures of every call of onnx and stablehlo; any number if left out."
# As `export.writing` has them, which JAX comes with.
BY_ENDING = {".onnx": "onnx", ".stablehlo": "stablehlo", ".h": "c"}
OF_PORT = "Port for --serve; 0 takes any that is free."

FLAGS = flags.FlagValues()
WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Folder of the run.", FLAGS)
FORMAT = flags.DEFINE_enum("format", "web", ["web", "onnx", "stablehlo", "c"], OF_FORMAT, FLAGS)
OUTPUT = flags.DEFINE_string("output", None, OF_OUTPUT, FLAGS)
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Best is by hold-out.", FLAGS
)
INPUT = flags.DEFINE_enum("input", "uint8", ["uint8", "float32"], OF_INPUT, FLAGS)
BATCH = flags.DEFINE_integer("batch", None, OF_BATCH, 1, flag_values=FLAGS)
INT8 = flags.DEFINE_bool("int8", False, OF_INT8, FLAGS)
SERVE = flags.DEFINE_bool("serve", False, "Show the page in the browsers of this computer.", FLAGS)
PORT = flags.DEFINE_integer("port", 8000, OF_PORT, 0, 65535, flag_values=FLAGS)


def main() -> None:
    """Does what the command line asks for, and ends the process."""
    program.run(_export, HELP, program.flag_values(FLAGS))


def _format() -> str:
    asked: str = FORMAT.value
    if FORMAT.present or OUTPUT.value is None:
        return asked
    ending = Path(OUTPUT.value).suffix
    if ending and ending not in BY_ENDING:
        raise UserError(
            f"--output={printable(OUTPUT.value)}: {ending} is the ending of no format; give one of "
            f"{', '.join(BY_ENDING)}, or --format=web for a folder of that name"
        )
    return BY_ENDING.get(ending, asked)


def _export() -> None:
    format = _format()
    if SERVE.value and format != "web":
        raise flags.Error(f"--serve shows a page, and {format} is none")
    program.refuse((PORT,), "nothing is served without --serve", when=not SERVE.value)
    if format in ("web", "c") and (INPUT.value != "uint8" or BATCH.value is not None):
        raise flags.Error("--input and --batch are for --format=onnx and --format=stablehlo")
    if INT8.value and format != "onnx":
        raise flags.Error("--int8 is for --format=onnx")
    record = workdir.read_run(WORKDIR.value, say=program.tell)
    program.start_jax()
    from lenet_jax.export import Signature, run, serve, writing

    asked, kind = Signature(pixels=INPUT.value, batch=BATCH.value), "int8" * INT8.value
    which = kind or format, OUTPUT.value, CHECKPOINT.value
    output = run.write_run(WORKDIR.value, record, *which, asked, overwrite=OVERWRITE.value)
    print(f"Wrote {output}")
    if which[0] == "onnx":
        _, golden = writing.files_of(output, "int8")
        if golden.exists():
            program.tell(f"WARNING: {golden} is of an export before, of another network than this")
    if SERVE.value:
        serve.serve(output, PORT.value, say=functools.partial(print, flush=True))
