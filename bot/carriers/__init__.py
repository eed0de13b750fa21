"""How messages are sent and received: Twilio (SMS, MMS, WhatsApp, voice), e-mail, the web chat and the simulator.

A carrier sends one outgoing message and reports the result, or turns what a provider posted into an `Inbound`. This package
makes no decisions about people, contains no SQL, settings or web framework, and imports only `bot.domain`.
"""
