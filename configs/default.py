r"""A sensible single LeNet-5: sixteen epochs of Muon.

python run_train.py --config=configs/default.py --data=digit-recognizer.zip --workdir=runs/first

TIMING
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe; `fast.py` and `speedrun.py` change a few fields of it."""
    config = Config(
        epochs=16,
        activation="silu",
        first_filters="whitened",
        optimizer="muon",
        muon_largest=5_000,
        learning_rate=0.010,
        warmup_epochs=0.3,
        ema_decay=0.998,
        weight_decay=0.1,
        label_smoothing=0.1,
        shift=1.0,
    )
    return ConfigDict(config.as_dict())
