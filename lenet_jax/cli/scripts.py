"""Where the programs begin, as `run_*.py` or as console scripts.

Nothing else is imported here before `startup.begin`, for that takes a second in which Ctrl-C would
show a page of traceback.
"""

from lenet_jax.environment import startup


def train() -> None:
    """`run_train.py` and `lenet-train`."""
    startup.begin()
    from lenet_jax.cli.train import main

    main()


def predict() -> None:
    """`run_predict.py` and `lenet-predict`."""
    startup.begin()
    from lenet_jax.cli.predict import main

    main()


def export() -> None:
    """`run_export.py` and `lenet-export`."""
    startup.begin()
    from lenet_jax.cli.export import main

    main()
