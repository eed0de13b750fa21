"""The service directory's pages: search, one service, what to check next, and the form.

`form.py` reads what was posted and puts fields into words.
Rules belong in `usecases/directory/`.
"""
