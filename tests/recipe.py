"""The one recipe of tests that train with the program: what is compiled for it serves all."""

EPOCHS = 15
FLAGS = ("--data=sample", f"--config.epochs={EPOCHS}", "--config.ema_decay=0.99")
