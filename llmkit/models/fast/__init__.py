"""A forward pass with few operations a layer, and what it is made of on each device."""
