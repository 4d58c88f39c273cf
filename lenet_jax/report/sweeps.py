"""How accuracy depends on what a sweep has tried."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lenet_jax.report import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_sweep(networks: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> "Figure":
    """A panel for each field: a dot for each network, a line through the means.

    Args:
      networks: rows with the fields and `holdout_accuracy` in [0, 1].
      fields: that were swept, at least one.
    """
    figure = figures.empty_figure(180 + 260 * len(fields), 420, layout="constrained")
    panels = figure.subplots(1, len(fields), sharey=True, squeeze=False)[0]
    accuracy_M = 100 * np.array([row["holdout_accuracy"] for row in networks])
    for panel, field in zip(panels, fields, strict=True):
        value_M = np.array([row[field] for row in networks])
        values = np.unique(value_M)
        # By rank, for values are often spaced by factors.
        rank_M = np.searchsorted(values, value_M)
        panel.plot(rank_M, accuracy_M, "o", alpha=0.4, markersize=4)
        means = [accuracy_M[rank_M == rank].mean() for rank in range(len(values))]
        panel.plot(range(len(values)), means, "-", color="black")
        panel.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        panel.set_xlabel(field)
    panels[0].set_ylabel("hold-out accuracy, %")
    figure.suptitle(f"{len(networks)} networks; the line joins the means")
    return figure
