"""What a calibrated chain guarantees of its answers, and how that follows from labelled rows."""
