"""Measurements: ours and a peer, the same work, the same weights, one run, as a ratio."""
