"""How batches lie on devices and in time."""

from typing import NamedTuple


class BatchLayout(NamedTuple):
    """How the batches of an epoch lie on the devices of the batch axis, and in time.

    Attributes:
      per_device_batch: slots of a batch on each device, a multiple of `microbatches`.
      microbatches: equal parts that a device takes through the network one after the other.
      padding: slots after the last example that batches and devices reach into.
    """

    per_device_batch: int
    microbatches: int
    padding: int


def batch_layout(
    num_examples: int, batch_size: int, devices: int, microbatch_size: int | None = None
) -> BatchLayout:
    """Lays out batches; no example is left out, and no device has another shape.

    Args:
      num_examples: of an epoch.
      batch_size: of all devices together.
      devices: along the batch axis.
      microbatch_size: most examples that a device takes through the network together; None for all.

    Examples:
      >>> batch_layout(1000, 128, devices=2, microbatch_size=64)
      BatchLayout(per_device_batch=64, microbatches=1, padding=152)
      >>> batch_layout(1000, 300, devices=2, microbatch_size=64)
      BatchLayout(per_device_batch=150, microbatches=3, padding=500)
    """
    per_device = -(-batch_size // devices)
    microbatches = 1 if microbatch_size is None else -(-per_device // microbatch_size)
    per_device = microbatches * -(-per_device // microbatches)
    steps = -(-num_examples // batch_size)
    return BatchLayout(
        per_device, microbatches, steps * batch_size + per_device * devices - num_examples
    )
