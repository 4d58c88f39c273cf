"""LeNet-5 to the letter of LeCun et al. 1998: 60,000 trainable parameters.

python run_train.py --config=configs/lecun1998.py --data=digit-recognizer.zip --workdir=runs/1998

20 s on two CPU cores, 98.62 +- 0.12% of a 10% hold-out of train.csv (3 seeds); 2026-11-24.
"""

from ml_collections import ConfigDict

from lenet_jax.config import Config


def get_config() -> ConfigDict:
    """The paper's network, loss and distortions; docs/howto/recipes.md says what deviates."""
    config = Config(
        model="lecun1998",
        rubbish_class=1.0,
        epochs=20,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.0,
        ema_decay=0.99,
        shift=1.0,
    )
    return ConfigDict(config.as_dict())
