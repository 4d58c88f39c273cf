"""The CSV that Kaggle scores: what is written of predictions, and sending it."""
