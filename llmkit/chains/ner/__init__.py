"""Named-entity recognition: every span of the text scored against the labels."""
