"""Flows of other products read into our own flow language: Twilio Studio, RapidPro and its kin, Flow Interop.

Each reader gives drafts and a report of every widget or node: carried over, approximated (how), or left out (why).
Nothing here guesses what a person should be told, reaches another computer, or publishes.
"""
