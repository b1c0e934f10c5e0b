"""Hostile inputs, each tried in a process of its own: pages, servers, texts, labels, files, conversations, folders."""
