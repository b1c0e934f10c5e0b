"""Ask web pages a question: the answer, the sentences that say so, and links to them.

python examples/web_qa.py https://example.com/lighthouse "Who built the lighthouse?"
python examples/web_qa.py https://example.com/a https://example.com/b "When is it open?"
"""

from __future__ import annotations

import sys

from llmkit import HuggingFaceChat, LlmkitError
from llmkit.chains import WebQAChain

BOLD, OFF = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


def main(*arguments: str) -> int:
    """Print the answer to the last argument, from the pages that the others name."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    *urls, question = arguments
    chain = WebQAChain(HuggingFaceChat())
    try:
        answer = chain.invoke({"question": question, "url": urls})
    except LlmkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{BOLD}{answer.text}{OFF}" if answer.found else "The pages do not say.")
    for citation in answer.citations:
        print(f"\n  “{citation.quote.replace(answer.text, f'{BOLD}{answer.text}{OFF}')}”\n  {citation.link}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
