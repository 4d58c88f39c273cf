"""Trains LeNet-5 on digits; see `--help`. Kept short on purpose: all is in lenet_jax."""

from functools import partial

from absl import flags

from lenet_jax import data, program, tensorboard

HELP = """python run_train.py --data=digit-recognizer.zip --workdir=runs/first

Trains LeNet-5 and leaves config.json, checkpoints/, metrics.csv, report/ and README.md in the
workdir. A workdir with a checkpoint is gone on from. Every field of the recipe can be set as
--config.field=value, for instance --config.epochs=5 --config.members=4."""

DATA = flags.DEFINE_string("data", "auto", data.HELP_TO_TRAIN)
TRANSPOSED = flags.DEFINE_bool("transposed", False, data.HELP_TRANSPOSED)
WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Folder of the run.")
TENSORBOARD = flags.DEFINE_bool("tensorboard", False, "Write events to tensorboard/ there, too.")


def main() -> None:
    """Wires the flags to the rooms."""
    recipe = config()

    with program.importing("lenet_jax.outcome") as then:
        ahead = partial(then, program.compile_ahead, "train", recipe)
        dataset = data.load_train(
            DATA.value, say=program.tell, counted=ahead, transposed=TRANSPOSED.value
        )
    program.start_jax()
    from lenet_jax import outcome, train

    with tensorboard.writer(WORKDIR.value if TENSORBOARD.value else None) as log:
        result = train.train(recipe, dataset, WORKDIR.value, log=log)
    if result is not None:
        outcome.write(WORKDIR.value, result)
        print(outcome.closing(WORKDIR.value, DATA.value, result))


if __name__ == "__main__":
    config = program.define_config()
    program.run(main, HELP)
