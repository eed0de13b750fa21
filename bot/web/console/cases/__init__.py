"""The page of one household's case, with its chart.

The chart's template draws the SVG, and lists beside it say the same.
Rules belong in `usecases/cases/`.
"""
