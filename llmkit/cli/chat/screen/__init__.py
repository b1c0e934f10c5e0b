"""What is shown: events become text, laid out where a terminal can show that (`view`)."""
