"""Which tokens may come next: JSON schemas, regular expressions, choices and tool calls as token masks."""
