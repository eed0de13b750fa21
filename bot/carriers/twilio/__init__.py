"""Twilio's REST API and webhooks: texts, voice calls, media, signatures, and its status and error codes.

Requests to Twilio have a time-out and are never logged with numbers or words.
Nothing here knows the database, Flask, or what a text means.
"""
