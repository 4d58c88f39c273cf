"""lenet-jax, by its own programs. Variants: members=M, affine, elastic, act_pool."""

from typing import Any

from common import arguments, load, measure
from epochs import Run

from lenet_jax.config import Config

STILL: dict[str, Any] = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "affine": {},
    "elastic": {"elastic": 0.5},
    "act_pool": STILL | {"subsampling": "act_pool"},
}


def main() -> None:
    """Trains and evaluates on the same digits."""
    flags = arguments()
    variant = flags.variant.split("=")
    members = int(variant[1]) if variant[0] == "members" else 1
    fields = VARIANTS.get(flags.variant, STILL)
    digits = load(flags.digits)
    config = Config(batch_size=flags.batch, members=members, epochs=1000, **fields)
    run = Run(config, digits, digits)
    state = run.begin()

    def train() -> None:
        nonlocal state
        state = run.epoch(state)

    measure(len(digits[1]) * members, flags.epochs, train, lambda: run.accuracies(state))


if __name__ == "__main__":
    main()
