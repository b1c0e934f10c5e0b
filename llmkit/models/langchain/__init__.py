"""LangChain's side of a model: call options, tools, structured output, batches, and messages parsed from text."""
