"""What a file costs, offline: tokens, prices by model, and whether a training is within the budget."""
