"""The measured work: what a text costs, alone and beside other systems, and whether that grows with what is stored.

`python -m benchmarks --help` says what there is; README.md has the method and the figures.
Nothing here is imported by the house, and no test depends on a figure.
"""
