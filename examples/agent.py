"""An agent that calls a tool, on a local model.

    python examples/agent.py "What is the weather in Paris?"

The tool's call is decoded under its schema, so it always parses. The default model is tiny: it calls the tool, but may
answer badly. Try `--model` with a larger one.
"""

from __future__ import annotations

import argparse

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from llmkit import HuggingFaceChat


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"It is sunny in {location}, 21 degrees."


def main() -> None:
    """Ask the agent, and print each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default="What is the weather in Paris?")
    parser.add_argument("--model", default="smollm2-135m")
    options = parser.parse_args()
    llm = HuggingFaceChat(options.model, temperature=0, max_new_tokens=64)
    agent = create_agent(llm, [get_weather])
    for message in agent.invoke({"messages": [HumanMessage(options.question)]})["messages"]:
        message.pretty_print()


if __name__ == "__main__":
    main()
