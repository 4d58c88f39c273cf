"""What TensorStore still writes after a save has failed."""

import shutil
import time
from pathlib import Path


def remove_half_written(folder: Path) -> None:
    """Removes what a failed save has left, while TensorStore may still be writing it."""
    still = 0
    for _ in range(50):
        left = list(folder.glob("*.orbax-checkpoint-tmp*"))
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        still = 0 if left else still + 1
        if still == 3:
            break
        time.sleep(0.02)
