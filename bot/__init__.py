"""Warmline: a help line by text message and web chat, with a social worker behind it.

Packages are layers: web, jobs and commands call use cases, use cases call storage and carriers, and all of them the domain.
docs/architecture.md says where things are; nothing is imported here.
"""
