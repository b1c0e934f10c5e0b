"""Chains as tools for agents."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field, create_model


class ChainTool(StructuredTool):
    """A chain as a tool, which answers with the result as JSON.

    The class of its arguments is made from the chain's `tool_input`, and made again where the tool is unpickled.

    Attributes:
        chain: what is called.
        arg_types: names and types of the arguments, instead of the chain's `tool_input`.
    """

    chain: Any = Field(exclude=True, repr=False)
    arg_types: dict[str, Any] | None = Field(default=None, exclude=True, repr=False)

    @classmethod
    def of(
        cls,
        chain: Runnable[Any, Any],
        arguments: type[BaseModel] | None,
        arg_types: dict[str, type] | None,
        **described: Any,
    ) -> ChainTool:
        """Return the tool of a chain, with its name and description; `arguments` may be a class for its arguments."""
        names = tuple(_hints(chain, arg_types))
        return cls(
            chain=chain,
            arg_types=arg_types,
            func=partial(_run, chain, names),
            coroutine=partial(_arun, chain, names),
            args_schema=arguments or _arguments_class(chain, arg_types),
            **described,
        )

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        arguments: Any = self.args_schema
        is_made = getattr(arguments, "made_for_chain", False)
        return {**state, "__dict__": {**state["__dict__"], "args_schema": None}} if is_made else state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if self.args_schema is None:
            self.args_schema = _arguments_class(self.chain, self.arg_types)


def _hints(chain: Any, arg_types: dict[str, Any] | None) -> dict[str, Any]:
    return arg_types or get_type_hints(chain.tool_input, include_extras=True)


def _arguments_class(chain: Any, arg_types: dict[str, Any] | None) -> type[BaseModel]:
    fields: dict[str, Any] = {argument: (hint, ...) for argument, hint in _hints(chain, arg_types).items()}
    made: Any = create_model(f"{chain.get_name()}Input", **fields)
    made.made_for_chain = True
    return made  # type: ignore[no-any-return]


# A tool of one argument also gets it alone, as LangChain passes a plain string.
def _run(chain: Any, names: tuple[str, ...], *values: Any, config: RunnableConfig, **arguments: Any) -> str:
    return _to_json(chain.invoke({**dict(zip(names, values, strict=False)), **arguments}, config))


async def _arun(chain: Any, names: tuple[str, ...], *values: Any, config: RunnableConfig, **arguments: Any) -> str:
    return _to_json(await chain.ainvoke({**dict(zip(names, values, strict=False)), **arguments}, config))


def _to_json(result: Any) -> str:
    dumped = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    return json.dumps(dumped, ensure_ascii=False)
