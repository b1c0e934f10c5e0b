"""The screen: events as text, with Markdown at a terminal."""
