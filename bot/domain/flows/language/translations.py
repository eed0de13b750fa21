"""Translations of a flow: gettext PO, read and written through Babel, so that translators can use their own tools.

An entry belongs to a place (`msgctxt`, like `need.ask`) and to the exact source text. When the source changes the
translation is kept but marked fuzzy, and a fuzzy one is never sent: an old sentence may no longer be true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO, StringIO

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, read_po, write_po

from bot.domain.flows.language.script import Script
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowError, FlowProblem

Translations = dict[tuple[str, str], str]
"""(context, source text) -> text."""


_ROW = re.compile(r'(?:(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?)\s*)?"(?:[^"\\]|\\.)*"')
_ROW_REMEDY = 'Every entry is msgctxt, msgid and msgstr, each text in double quotes; write \\" inside a text.'


def read_translations(po_text: str, file: str) -> Translations:
    """The usable entries of a PO file: neither fuzzy nor empty. Raises FlowError with its problems."""
    found: Translations = {}
    problems: list[FlowProblem] = []
    for message in _read_messages(po_text, file):
        line = message.lineno or 1
        if not message.context:
            what, remedy = "An entry has no msgctxt.", 'Add the place it belongs to, like msgctxt "need.ask".'
            problems.append(FlowProblem(file, line, what, remedy))
        elif not isinstance(message.id, str) or not isinstance(message.string, str):
            what, remedy = f"`{message.context}` has plural forms.", "Use a single msgid and msgstr."
            problems.append(FlowProblem(file, line, what, remedy))
        elif message.string.strip() and not message.fuzzy:
            found[message.context, message.id] = message.string
    if problems:
        raise FlowError(problems)
    return found


def _read_messages(po_text: str, file: str) -> list[Message]:
    if len(po_text) > MAX_BYTES:
        raise FlowError([FlowProblem(file, 1, "The file is too large.", f"Keep it under {MAX_BYTES:,} characters.")])
    for number, row in enumerate(po_text.removeprefix("\ufeff").splitlines(), start=1):
        # Babel takes text outside of quotes as quoted, and cuts its first and last letter.
        if row.strip() and not row.lstrip().startswith("#") and not _ROW.fullmatch(row.strip()):
            raise FlowError([FlowProblem(file, number, "This is not a PO entry.", _ROW_REMEDY)])
    try:
        catalog = read_po(StringIO(po_text.removeprefix("\ufeff")), abort_invalid=True)
    except PoFileError as error:
        raise FlowError([FlowProblem(file, error.lineno + 1, "This is not a PO entry.", _ROW_REMEDY)]) from error
    except Exception as error:
        # Babel answers a broken header with whatever its parts raise: LookupError, UnicodeError and others.
        remedy = "Compare the first lines with those of another translation."
        raise FlowError([FlowProblem(file, 1, "The head of the file can't be read.", remedy)]) from error
    return [message for message in catalog if message.id]


def build_po(script: Script, existing: str | None = None, language: str | None = None) -> str:
    """The PO file for this script, with the translations from `existing`.

    Translations of an older source are kept as fuzzy, with that source.
    """
    old = {message.context: message for message in _read_messages(existing, "")} if existing else {}
    catalog = Catalog(locale=language, project="Warmline", fuzzy=False, charset="utf-8")
    head = read_po(StringIO(existing)) if existing else None
    if head is not None:
        catalog.header_comment = head.header_comment
        catalog.mime_headers = head.mime_headers
    for context, source, _ in translatable_texts(script):
        _add_message(catalog, context, source, old.get(context))
    written = BytesIO()
    write_po(written, catalog, width=100, include_previous=True, omit_header=False)
    return written.getvalue().decode("utf-8")


def _add_message(catalog: Catalog, context: str, source: str, old: Message | None) -> None:
    if old is not None:
        # Babel takes the old source of a stale entry (`#| msgid`) for a comment.
        old.user_comments = [remark for remark in old.user_comments if not remark.startswith("|")]
    if old is None or not old.string:
        catalog.add(source, context=context)
    elif old.id == source:
        catalog.add(
            source, old.string, context=context, flags=sorted(old.flags), user_comments=old.user_comments,
            previous_id=old.previous_id,
        )  # fmt: skip
    else:
        catalog.add(
            source, old.string, context=context, flags=["fuzzy"], user_comments=old.user_comments,
            previous_id=[str(old.id)],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry of a PO file as written, usable or not."""

    source: str
    text: str
    is_fuzzy: bool


def read_raw_entries(po_text: str, file: str) -> dict[str, RawEntry]:
    """Context -> its entry, including fuzzy and empty ones. Raises FlowError."""
    return {
        message.context: RawEntry(str(message.id), str(message.string or ""), message.fuzzy)
        for message in _read_messages(po_text, file)
        if message.context and isinstance(message.id, str)
    }
