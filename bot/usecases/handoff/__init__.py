"""A handoff from the call to the close: escalate, alert, claim, write, pass on, hand back; and the inbox, board and
page.

Each act locks the person's conversation first and the handoff after it, as a turn does, and commits nothing.
What a resident's words mean is decided in `conversation/`; no carrier is known here.
"""
