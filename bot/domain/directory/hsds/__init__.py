"""Service directories after the Human Services Data Specification (HSDS): packages read, checked, mapped and written.

Versions 1 to 3, CSV and JSON, and other formats through a mapping; each refused row gets a reason.
What is texted of a service, and which service fits a person, belong in the package above.
"""
