"""Compare prompts, examples, settings and models on the same items, with statistics: `llmkit compare`.

plan, cells       what is compared: a TOML file
items             the rows that all cells get, and the examples, which are none of them
cell_chain        a cell as a chain, built from plain data
cell_runs         results item by item, kept and resumed
metrics           what is measured of each item
statistics        intervals and tests for paired items
verdicts          better, worse, or cannot tell
comparison        all of it: a plan in, figures and verdicts out
tables, html_report, difference_plot    what a person sees
"""
