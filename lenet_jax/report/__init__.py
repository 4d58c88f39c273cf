"""Pictures of a run and its model card.

Every picture is drawn by a pure function `draw_...` that gives a matplotlib `Figure`, and written
as a PNG by the function of the same name without `draw_`. Importing this package costs no more than
NumPy; matplotlib is imported where a picture is drawn, and never through pyplot, so that nothing
here has global state or needs a display.
"""

from lenet_jax.report.card import Card, model_card, versions
from lenet_jax.report.confusion_matrix import confusion, draw_confusion
from lenet_jax.report.figures import png, write
from lenet_jax.report.galleries import (
    augmented,
    draw_augmented,
    draw_mistakes,
    mistakes,
    worst_mistakes,
)
from lenet_jax.report.learning_curves import curves, draw_curves
from lenet_jax.report.sweeps import draw_sweep, sweep

__all__ = [
    "Card",
    "augmented",
    "confusion",
    "curves",
    "draw_augmented",
    "draw_confusion",
    "draw_curves",
    "draw_mistakes",
    "draw_sweep",
    "mistakes",
    "model_card",
    "png",
    "sweep",
    "versions",
    "worst_mistakes",
    "write",
]
