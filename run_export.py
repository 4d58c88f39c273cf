"""Exports a trained run; see `--help`. What it does is in lenet_jax/cli/export.py."""

from lenet_jax.cli import export

if __name__ == "__main__":
    export.main()
