"""Trains LeNet-5 on digits; see `--help`. What it does is in lenet_jax/cli/train.py."""

from lenet_jax.environment import startup

if __name__ == "__main__":
    # Before all else, for the packages take a second to import.
    startup.begin()
    from lenet_jax.cli import train

    train.main()
