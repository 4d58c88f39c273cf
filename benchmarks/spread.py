"""How the figures of several processes are written."""

import statistics


def spread(values: list[float], form: str, unit: str = "") -> str:
    """Median and range, the range left out for a single value."""
    if not values:
        return ""
    middle = f"{statistics.median(values):{form}}{unit}"
    return (
        middle if len(values) == 1 else f"{middle} ({min(values):{form}} to {max(values):{form}})"
    )
