"""What the flow studio does: drafts are changed, tried, checked, translated, imported, published and rolled back.

Each module is one act or one page's reading; doors open the transaction. How a flow is read, checked and played is the
domain's and `rehearse.py`'s, so that the studio, the command line and the tests can never disagree about a flow.
"""
