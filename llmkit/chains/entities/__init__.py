"""The entities of a text: found as mentions, weighed against the labels, and made probabilities; or named.

    mentions   all spans that may be names, each with what its borders say against it
    kinds      what speaks for each label, of each mention
    weighing   both together, over texts of any length -> mentions with scores
    lessons    scores -> probabilities; what solved texts teach, which solved checks
    entity     of mentions that overlap the likeliest -> entities

A model that tells no likelihoods is asked for the names, which are looked up in the text: naming.
"""
