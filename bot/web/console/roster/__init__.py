"""The roster's pages: the week as a timetable, forms, import and export.

`week_grid.py` places shifts in the grid and `words.py` puts rows into words.
Rules of the roster belong in `usecases/roster/`.
"""
