"""Tasks in one object: each chain is a LangChain Runnable that gives a frozen result."""

import sys
from importlib import import_module

__all__: list[str] = []

# From a checkout's root, `import chains` follows the link `chains -> llmkit/chains` and runs this file under
# another name. The real package takes over that name, so that every class exists once.
if __name__ != "llmkit.chains":
    import_module("llmkit.chains")
    sys.modules.update(
        {
            name.removeprefix("llmkit."): module
            for name, module in list(sys.modules.items())
            if name.startswith("llmkit.chains")
        }
    )
