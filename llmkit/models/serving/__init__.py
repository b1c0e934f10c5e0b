"""Model servers that tell log-probabilities: addresses, wire formats, clients, and checks before they are used."""
