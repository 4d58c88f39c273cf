"""99.0% of the hold-out in the fewest seconds.

python run_train.py --config=configs/speedrun.py --data=digit-recognizer.zip \
  --workdir=runs/speedrun --predict=submission.csv
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The recipe."""
    config = Config(
        epochs=3,
        batch_size=64,
        activation="silu",
        first_filters="whitened",
        optimizer="muon",
        muon_largest=20_000,
        learning_rate=0.01,
        warmup_epochs=0.3,
        ema_decay=0.997,
        weight_decay=0.1,
        label_smoothing=0.1,
        rotation=8.0,
        scale=0.1,
        shear=0.1,
        shift=1.0,
    )
    return ConfigDict(config.as_dict())
