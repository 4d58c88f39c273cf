"""Predictions of a trained run, and how sure they are."""
