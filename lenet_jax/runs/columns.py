"""The columns of `metrics.csv`, and where else each is told."""

from typing import NamedTuple


class Column(NamedTuple):
    """A number of an epoch.

    Attributes:
      name: in `metrics.csv`.
      tag: in TensorBoard, which puts those of one prefix in one section; empty for none.
      told: its format in the line of an epoch; empty where it is not told there.
      rank: the lower, the earlier it is left out of a line that is too long.
    """

    name: str
    tag: str = ""
    told: str = ""
    rank: int = 0


# In the order of the file and of the line.
COLUMNS = (
    Column("epoch"),
    Column("step"),
    Column("learning_rate", "schedule/learning_rate"),
    Column("train_loss", "loss/train", "loss {:.4f}", 0),
    Column("train_accuracy", "accuracy/train", "accuracy {:.2%}", 1),
    Column("holdout_loss", "loss/holdout"),
    Column("holdout_accuracy", "accuracy/holdout", "hold-out {:.2%}", 3),
    Column("ensemble_accuracy", "accuracy/ensemble", "ensemble {:.2%}", 4),
    Column("seconds"),
    Column("images_per_second", "speed/images_per_second", "{:,.0f} img/s", 2),
)
