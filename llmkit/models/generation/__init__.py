"""Text from a model: settings -> engine -> decode loop -> sampled tokens -> a finished completion."""
