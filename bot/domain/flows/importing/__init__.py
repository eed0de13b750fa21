"""Reads flows of other products into our own flow language: Twilio Studio, RapidPro and its derivatives, Flow Interop.

Each reader returns drafts and a report on every widget or node: carried over, approximated (how), or left out (why). Nothing
here invents text for a person, calls another computer, or publishes.
"""
