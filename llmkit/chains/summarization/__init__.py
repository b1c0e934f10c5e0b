"""Summaries of texts of any length: stuff, map-reduce or refine over passages."""
