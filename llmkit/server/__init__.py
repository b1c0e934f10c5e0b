"""`llmkit serve`: an HTTP API over models of this process, in OpenAI's formats, and the chains as endpoints.

A request goes through `security` (may it come in), `bodies` (is it whole and small, and a known request), the module of
its route (request -> call of llmkit -> answer) and `workers` (threads that compute). Needs the extra `serve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmkit.lazy import lazy as _lazy

if TYPE_CHECKING:
    from llmkit.server.app import create_app
    from llmkit.server.run import serve
    from llmkit.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "serve"]

__getattr__, __dir__ = _lazy("llmkit.server", {"app": ["create_app"], "run": ["serve"], "settings": ["ServerSettings"]})
