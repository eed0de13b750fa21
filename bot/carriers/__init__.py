"""How words leave and enter: Twilio (SMS, MMS, WhatsApp), the web chat and the simulator.

A carrier takes one outgoing message and says what became of it, or turns what a carrier posted into an
`Inbound`. No decision about a person, no SQL, no settings and no web framework may live here; only
`bot.domain` is imported.
"""
