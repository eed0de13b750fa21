"""Background work: jobs that the queue runs, such as delivering a text, and the periodic sweep.

A job takes row ids, opens its own transactions, calls use cases and carriers, and may safely run twice.
No business rules belong here, and no job gets a person's words or number as an argument.
"""
