"""The staff and the night that a demo is filled with, played through the same use cases as real acts.

The content is in `staff/*.yaml`.
Nothing here runs on a line that has a carrier.
"""
