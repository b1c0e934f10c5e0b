"""What `llmkit serve` does under load: clients that wait for their answers, and others that break off or never end."""
