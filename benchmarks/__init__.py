"""Benchmarks: what a text costs, alone and compared with other systems, and whether that grows with the data stored.

`python -m benchmarks --help` lists them; README.md has the method and the figures.
Warmline imports nothing from here, and no test depends on a figure.
"""
