"""Who is on duty when: weekly shifts in the city's own time, extra shifts, time off and holidays, and the roster as CSV.

`duty.py` answers who is on duty; the other modules read and write a roster's file.
Who is called for a handoff is decided in `handoff/escalation.py`.
"""
