"""Chooses the numbers of each chain that depend on the model, by cross-validation."""
