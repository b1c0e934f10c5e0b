"""The summary of a text of any length: divided into parts, which are summarized, and put together.

    sources    what was given -> parts, which know where they stand in it
    reduction  parts -> rounds of questions, by one of three strategies; the last question's answer is the summary
    selection  or the summary is chosen of what was said about the parts

`rounds` asks them, those of a whole batch together, and `tidy` makes an answer fit to print.
"""
