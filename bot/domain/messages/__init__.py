"""One message: who it is from, what it costs in segments, how hard it is to read, and what a delivery failure calls for.

Channels, lanes and delivery states are defined here and used by every other package.
What the words say, and how a carrier sends them, belong elsewhere.
"""
