"""Flows: the language that admins write them in, the checks before publishing, editing, translating and importing them.

`graph.py` and `outline.py` show a flow as a diagram and as a list of steps.
Running a flow is the engine's work in `conversation/`; nothing here knows a live conversation.
"""
