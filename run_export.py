"""Exports a trained run; see `--help`. What it does is in lenet_jax/cli/export.py."""

from lenet_jax.cli import scripts

if __name__ == "__main__":
    scripts.export()
