"""Attention: of grouped heads, of many rows to one shared prefix, and which kernels of a GPU compute it."""
