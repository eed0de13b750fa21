"""Flows as files and as published versions, and the library in which a turn finds them.

Publishing from files makes each changed flow a new version in one transaction.
Drafts and everything else that the flow studio does are in `studio/`.
"""
