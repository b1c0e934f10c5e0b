"""Question answering over texts and web pages: answers are spans of the source, with citations."""
