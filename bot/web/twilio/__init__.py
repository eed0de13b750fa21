"""Twilio's webhooks: inbound texts, delivery reports and telephone calls.

A request is read only after its signature fits the configured public URL.
Parsing and TwiML belong in `carriers/twilio/`.
"""
