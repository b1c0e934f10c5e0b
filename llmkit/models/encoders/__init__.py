"""What each head of an encoder-only model computes."""
