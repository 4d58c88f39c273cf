"""Pictures of a run and its model card.

Every picture is drawn by a pure function `draw_...` that gives a matplotlib `Figure`. Importing
this package costs no more than NumPy; matplotlib is imported where a picture is drawn, and never
through pyplot, so that nothing here has global state or needs a display.
"""

from lenet_jax.report.card import model_card, model_name, versions
from lenet_jax.report.confusion import draw_confusion
from lenet_jax.report.curves import draw_curves, draw_narrow_curves
from lenet_jax.report.figures import png, write
from lenet_jax.report.galleries import (
    confidence,
    draw_augmented,
    draw_gallery,
    draw_mistakes,
    draw_seen,
    worst_mistakes,
)
from lenet_jax.report.layer_maps import draw_layers
from lenet_jax.report.page import Section, Table
from lenet_jax.report.reliability import draw_reliability
from lenet_jax.report.sections import (
    PAGE,
    augmented,
    facts,
    layers,
    list_sections,
    title,
    write_report,
)
from lenet_jax.report.sweeps import draw_sweep

__all__ = [
    "PAGE",
    "Section",
    "Table",
    "augmented",
    "confidence",
    "draw_augmented",
    "draw_confusion",
    "draw_curves",
    "draw_gallery",
    "draw_layers",
    "draw_mistakes",
    "draw_narrow_curves",
    "draw_reliability",
    "draw_seen",
    "draw_sweep",
    "facts",
    "layers",
    "list_sections",
    "model_card",
    "model_name",
    "png",
    "title",
    "versions",
    "worst_mistakes",
    "write",
    "write_report",
]
