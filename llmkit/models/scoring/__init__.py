"""Log-likelihoods of continuations: a token tree of all of them, computed in one forward pass."""
