"""A flow as an SVG diagram: laid out by Graphviz in a child process with a time limit, then drawn by us.

Elements carry classes, so that the page's style sheet colours them in light and dark.
What a flow's graph is belongs in `domain/flows/graph.py`.
"""
