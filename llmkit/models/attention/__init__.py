"""Attention on GPUs: which kernels compute it, and attention of many rows to one shared prefix."""
