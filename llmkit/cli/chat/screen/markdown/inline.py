"""What stands inside a line: emphasis, code, links."""

from __future__ import annotations

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from rich.text import Text

_STYLES = {"em": "italic", "strong": "bold", "s": "strike", "link": "underline"}
_CODE = "bold cyan"


def inline(node: SyntaxTreeNode, style: str = "") -> Text:
    """Give a node's text, its lines as they were written; a link's address stands behind it."""
    text = Text(overflow="fold")
    styles = [style]
    links: list[tuple[Token, int]] = []
    for token in _tokens(node):
        kind, _, side = token.type.rpartition("_")
        if side == "open":
            styles.append(_STYLES[kind])
            links += [(token, len(text))] if kind == "link" else []
        elif side == "close":
            styles.pop()
            if kind == "link":
                text.append(_address(*links.pop(), text), " ".join(styles))
        else:
            text.append(_written(token), " ".join([*styles, _CODE] if token.type == "code_inline" else styles))
    return text


def _tokens(node: SyntaxTreeNode) -> list[Token]:
    found = [token for token in node.to_tokens() if token.type == "inline"]
    return [child for token in found for child in token.children or []]


def _written(token: Token) -> str:
    match token.type:
        case "softbreak" | "hardbreak":
            return "\n"
        case "image":
            return f"![{token.content}]({token.attrGet('src')}{_title(token)})"
        case _:
            return token.content


def _address(link: Token, start: int, text: Text) -> str:
    href = str(link.attrGet("href"))
    shown = text.plain[start:]
    return "" if href in (shown, f"mailto:{shown}") and not link.attrGet("title") else f" ({href}{_title(link)})"


def _title(token: Token) -> str:
    title = token.attrGet("title")
    return f' "{title}"' if title else ""
