"""The answer to a question about a text: asked, found in its sentences or written from them, and given if sure enough.

    question    what was given -> a question and documents; sentences are chosen from these by llmkit.retrieval
    extraction  sentences -> the span that answers best
    writing     sentences -> an answer in the model's own words, and the sentences that it stands on
    threshold   scores -> confidence, and whether that is enough
    answer      what is given, with citations

A model that tells no likelihoods answers with quotes, which are looked up in the text: quoting.
"""
