"""The flow studio: drafts are edited, tried, checked, translated, imported, published and rolled back.

Each module is one action or the data of one page; the caller (route, job or command) opens the transaction. Flows are read,
checked and played only by the domain and `rehearse.py`, so that the studio, the command line and the tests always agree
about a flow.
"""
