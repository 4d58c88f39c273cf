"""lenet-jax, by its own programs. Variants: members=M, affine, elastic."""

from common import arguments, load, measure

from lenet_jax import mesh as meshes

meshes.prepare()

import jax
import numpy as np

from lenet_jax import optimizer, programs
from lenet_jax.config import Config

STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}


def main() -> None:
    """Trains and evaluates as `run_train.py` does, without its files."""
    flags = arguments()
    variant = flags.variant.split("=")
    members = int(variant[1]) if variant[0] == "members" else 1
    strengths = {"affine": {}, "elastic": {"elastic": 0.5}}.get(flags.variant, STILL)
    images, labels = load(flags.digits)
    config = Config(batch_size=flags.batch, members=members, epochs=1000, **strengths)
    mesh = meshes.make(members)
    compiled = programs.compile_ahead(config, mesh, len(images), len(images))
    whole = meshes.replicated(mesh)
    data = jax.device_put((images, labels), whole)
    seeds = jax.device_put(np.arange(members, dtype=np.uint32), meshes.stacked(mesh))
    state = jax.block_until_ready(compiled.create(seeds))
    steps = optimizer.steps_per_epoch(config, len(images))

    def train() -> None:
        nonlocal state
        stop = jax.device_put(np.int32(int(state.step[0]) + steps), whole)
        state = jax.block_until_ready(compiled.train_until(state, *data, stop))

    def infer() -> None:
        jax.block_until_ready(compiled.evaluate(state.averaged_params, *data))

    measure(len(images) * members, flags.epochs, train, infer)


if __name__ == "__main__":
    main()
