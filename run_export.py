"""Exports a trained run; see `--help`. Kept short on purpose: all is in lenet_jax."""

import functools

from lenet_jax import checkout

with checkout.packages():
    from absl import flags

    from lenet_jax import program, workdir

HELP = """python run_export.py --workdir=runs/first --format=web --serve

Writes the run in the workdir, the members of an ensemble averaged, as one file or folder that
needs neither the run nor this package: a page to draw digits on (web), ONNX, or StableHLO. All
take pixels, uint8 [B, 28, 28], and give probabilities, float32 [B, 10].
lenet_jax.load(path) reads the files back as functions."""

WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Folder of the run.")
FORMAT = flags.DEFINE_enum("format", "web", ["web", "onnx", "stablehlo"], "What to write.")
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "The folder (web) or file to write; export/web, export/lenet5.onnx or export/lenet5.stablehlo "
    "in the workdir by default.",
)
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint; best is by hold-out accuracy."
)
SERVE = flags.DEFINE_bool("serve", False, "Show the page in the browsers of this computer.")
PORT = flags.DEFINE_integer("port", 8000, "Port for --serve; 0 takes any that is free.", 0, 65535)


def main() -> None:
    """Wires the flags to the rooms."""
    if SERVE.value and FORMAT.value != "web":
        raise flags.Error(f"--serve shows a page, and --format={FORMAT.value} is none")
    program.refuse((PORT,), "nothing is served without --serve", when=not SERVE.value)
    record = workdir.read_run(WORKDIR.value, say=program.tell)
    program.start_jax()
    from lenet_jax import export, predict
    from lenet_jax.export import serve

    params_M = predict.restore(WORKDIR.value, record, CHECKPOINT.value)
    output = OUTPUT.value or export.default_output(WORKDIR.value, FORMAT.value)
    temperature = workdir.read_temperature(WORKDIR.value)
    epochs = workdir.epochs_done(WORKDIR.value, record)
    export.write(output, FORMAT.value, record, params_M, temperature, epochs=epochs)
    print(f"Wrote {output}")
    if SERVE.value:
        serve.serve(output, PORT.value, say=functools.partial(print, flush=True))


if __name__ == "__main__":
    program.run(main, HELP)
