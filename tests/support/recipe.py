"""The one recipe of tests that train with the program: what is compiled for it serves all."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EPOCHS = 15
FLAGS = ("--data=sample", f"--config.epochs={EPOCHS}", "--config.ema_decay=0.99")
COMMAND = (sys.executable, str(ROOT / "run_train.py"), *FLAGS)
# It trains for longer than it takes to compile.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "XLA_FLAGS": os.environ["XLA_FLAGS"].replace("_level=0", "_level=1"),
}
