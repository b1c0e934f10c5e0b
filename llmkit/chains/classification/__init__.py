"""Zero- and few-shot classification: labels scored after the text, calibrated, never parsed."""
