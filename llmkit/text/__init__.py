"""Text without a model: sentences and passages with offsets, words of every script, and ranking."""
