"""A conversation: what was said, as a value (`history`), and on disk while it grows (`store`, `record`)."""
