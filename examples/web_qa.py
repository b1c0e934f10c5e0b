"""Ask web pages a question: the answer, the sentences that say so, and links to them.

python examples/web_qa.py https://example.com/lighthouse "Who built the lighthouse?"
python examples/web_qa.py https://example.com/a https://example.com/b "When is it open?"
python examples/web_qa.py --allow-private http://localhost:8000/notes.html "What is to be done?"
"""

from __future__ import annotations

import argparse
import sys

from llmkit import HuggingFaceChat, LlmkitError
from llmkit.chains import Citation, WebQAChain
from llmkit.errors import InputError

BOLD, OFF = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


def main() -> int:
    """Print the answer to the question from the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="+", help="a page to read")
    parser.add_argument("question")
    parser.add_argument("--allow-private", action="store_true", help="also read pages of this machine or network")
    given = parser.parse_args()
    chain = WebQAChain(HuggingFaceChat(), fetch_options={"allow_private": given.allow_private})
    try:
        answer = chain.invoke({"question": given.question, "url": given.url})
    except LlmkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    print(f"{BOLD}{answer.text}{OFF}" if answer.found else "The pages do not say.")
    for citation in answer.citations:
        print(f"\n  “{marked(citation)}”\n  {citation.link}")
    return 0


def marked(citation: Citation) -> str:
    """Return the quote, with the answer in bold."""
    quote, start, end = citation.quote, citation.answer_start, citation.answer_end
    if start is None or end is None:
        return quote
    start, end = start - citation.start, end - citation.start
    return f"{quote[:start]}{BOLD}{quote[start:end]}{OFF}{quote[end:]}"


if __name__ == "__main__":
    sys.exit(main())
