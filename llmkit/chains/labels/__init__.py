"""The labels of a text: scored, freed of bias, and made probabilities; or chosen.

    examples   spoken puts their labels into the words that the model knows the labels by
    scores     likelihood: of each label's words after a text, all in one pass
    bias       priors: what the model believes before it has read anything is taken off
    experts    shots: whether examples help inside the prompt is measured; `calibration` makes the rest probabilities

A model that tells no likelihoods is asked to choose: choosing.
"""
