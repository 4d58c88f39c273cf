"""Trains LeNet-5 on digits; see `--help`. What it does is in lenet_jax/cli/train.py."""

from lenet_jax.cli import scripts

if __name__ == "__main__":
    scripts.train()
