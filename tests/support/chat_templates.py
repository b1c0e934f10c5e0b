"""Chat templates that leave out one thing or another, and what renders them."""

import copy
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from llmkit.models.tokens.template_renderer import TemplateRenderer
from llmkit.models.tokens.turns import message_to_dict
from tests.support import tokenizers

TURNS = (
    "{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}</u><a>"
    "{% elif m.role == 'assistant' %}{{ m.content }}</a>{% endif %}{% endfor %}"
)
FIRST = "{% if messages[0].role == 'system' %}<s>{{ messages[0].content }}</s>{% endif %}" + TURNS
LAST = (
    "{% set n = namespace(s='') %}{% for m in messages %}{% if m.role == 'system' %}{% set n.s = m.content %}"
    "{% endif %}{% endfor %}<s>{{ n.s }}</s>" + TURNS
)
TEMPLATES = {
    "user and assistant": TURNS,
    "system at the beginning": FIRST,
    "one system text": LAST,
    "tools, but no results": "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}" + FIRST,
    "turns in strict order": tokenizers.INST,
    "no system role": tokenizers.TURNS,
    "every role": tokenizers.CHATML,
    "texts as JSON": "{% for m in messages %}{{ {m.role: m.content} | tojson }}\n{% endfor %}",
    "texts escaped": "{% for m in messages %}<{{ m.role }}>{{ m.content | trim | e }}</{{ m.role }}>{% endfor %}",
    "numbered": "{% for m in messages %}[Round {{ loop.index }}] {{ m.role }}: {{ m.content | trim }}\n{% endfor %}",
    "lists of blocks": (
        "{% for m in messages %}{{ m.role }}:{% for b in m.content if b.type == 'text' %}{{ b.text }}{% endfor %}\n"
        "{% endfor %}"
    ),
}


def renderer(template: str) -> TemplateRenderer:
    tokenizer = copy.copy(tokenizers.chatml_tokenizer())
    tokenizer.chat_template = template
    return TemplateRenderer(tokenizer)


def turns(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    return [message_to_dict(message) for message in messages]
