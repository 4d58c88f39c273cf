"""The one recipe of tests that train with the program: what is compiled for it serves all."""

import sys
from pathlib import Path

EPOCHS = 15
FLAGS = ("--data=sample", f"--config.epochs={EPOCHS}", "--config.ema_decay=0.99")
COMMAND = (sys.executable, str(Path(__file__).parent.parent / "run_train.py"), *FLAGS)
