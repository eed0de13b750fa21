"""Doors that the queue and the clock open: a text is delivered, the sweep goes round.

A job takes row ids, opens its transactions, calls use cases and carriers, and may run twice without harm.
No rule of the help line lives here, and no job is handed a word or a number of a person's.
"""
