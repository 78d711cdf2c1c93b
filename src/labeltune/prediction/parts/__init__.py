"""Predictions of a folder, part after part, here or on many machines."""
