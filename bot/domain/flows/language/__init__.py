"""The flow language: YAML and PO files read into a `Script` and its translations, then compiled into a runnable `Flow`.

Every problem names its file, line and remedy.
Checks that need more than one step belong in `checks/`; changes to a file belong in `editing/`.
"""
