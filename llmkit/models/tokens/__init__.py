"""Text and tokens: the chat template, special tokens that are escaped in user text, and the streaming detokenizer."""
