"""The local model: from a name in the catalog to a LangChain chat model.

catalog (a name -> a folder) -> loading (a folder -> weights and tokenizer) -> encoding (messages -> token ids)
-> engine (token ids -> token ids) -> decoding (token ids -> text) -> chat, llm (LangChain's interfaces).
"""
