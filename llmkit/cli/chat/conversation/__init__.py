"""A conversation: a value that changes lead to (`history`), and its file (`store`)."""
