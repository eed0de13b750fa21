"""One turn of a conversation: its state, what comes in, the engine that runs the flow, and the effects that come out.

Also here: how answers are read (dates, counts, ZIP codes), the keywords that work at every step, and safe contact.
What words mean belongs in `listening/`, danger in `safety/`, and what a flow may say in `flows/`.
"""
