"""Detects which product a file comes from; a file that can't be read is refused with a sentence giving place and remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from bot.domain.flows.importing.drafting.texts import clean_text
from bot.domain.flows.importing.floip import is_floip, read_floip
from bot.domain.flows.importing.rapidpro import read_rapidpro
from bot.domain.flows.importing.report import ImportedDraft, NotImportable
from bot.domain.flows.importing.twilio_studio.reading import is_studio, read_studio

MAX_BYTES = 5_000_000
"""Bytes. The largest real exports of whole organisations are about a tenth of that."""
MAX_DEPTH = 60
_MAX_DIGITS = 60
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_STUDIO = "the flow JSON of Twilio Studio, an export of RapidPro or TextIt, or a flow of Flow Interop"


def read_flows(raw: bytes, file: str) -> list[ImportedDraft]:
    """Reads the flows of this file as drafts; `file` only names it in errors. Raises NotImportable with a sentence, nothing
    else.
    """
    try:
        data = parse_json(raw, file)
        flows = _choose_reader(data, file)(data, file)
    except NotImportable as refusal:
        raise NotImportable(" ".join(clean_text(str(refusal)).split())) from refusal
    except RecursionError as error:
        raise NotImportable(f"{file} is nested too deeply; take some levels out.") from error
    if not flows:
        raise NotImportable(f"{file} holds no flow.")
    return flows


def _choose_reader(data: object, file: str) -> Callable[[object, str], list[ImportedDraft]]:
    if is_studio(data):
        return read_studio
    if is_floip(data):
        return read_floip
    if _is_rapidpro(data):
        return read_rapidpro
    seems = detect_product(data)
    what = (
        f"It looks like {seems}, which can't be imported"
        if seems
        else f"There is no flow in it that is known here: {_describe_shape(data)}"
    )
    raise NotImportable(f"{file} can't be imported. {what}. Give {_STUDIO}.")


def _is_rapidpro(data: object) -> bool:
    """Recognises it by parts that only its exports have; also accepts the files that test its engine."""
    if not isinstance(data, dict):
        return False
    if isinstance(data.get("assets"), dict) and "flows" in data["assets"]:
        return True
    rows = data.get("flows")
    flows = [data, *(row for row in rows if isinstance(row, dict))] if isinstance(rows, list) else [data]
    bodies = [inner if isinstance(inner := flow.get("definition"), dict) else flow for flow in flows]
    if any("action_sets" in body or "rule_sets" in body for body in bodies):
        return True
    if any("nodes" in body and not {"edges", "connections", "diagrams"} & set(body) for body in bodies):
        return True
    # An export of a workspace, even one without flows: the reader reports what is missing.
    return isinstance(rows, list) and bool({"site", "campaigns", "triggers", "version"} & set(data)) and "groups" not in data


# JSON.


def parse_json(raw: bytes, file: str) -> object:
    """Parses JSON. Raises NotImportable: too large, not text, not JSON (with line and column), nested too deeply."""
    if len(raw) > MAX_BYTES:
        raise NotImportable(f"{file} has {len(raw):,} bytes. Keep it under {MAX_BYTES:,}, and export fewer flows at a time.")
    text = _decode(raw, file)
    if not text.strip():
        raise NotImportable(f"{file} is empty.")
    if text.lstrip()[0] not in "{[":
        _refuse_non_json(text, file)
    _refuse_deep_nesting(text, file)

    def no_number(word: str) -> NoReturn:
        raise NotImportable(
            f"{file}{_describe_position(text, word)}: `{word}` is no number of JSON. Put a number or null there."
        )

    def whole_number(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise NotImportable(f"{file}{_describe_position(text, digits)}: a number of {len(digits)} digits is too long.")
        return int(digits)

    try:
        return json.loads(
            text,
            parse_constant=no_number,
            parse_int=whole_number,
            object_pairs_hook=lambda pairs: _object_without_duplicates(pairs, file),
        )
    except json.JSONDecodeError as error:
        raise NotImportable(_describe_syntax_error(error, text, file)) from error


def _decode(raw: bytes, file: str) -> str:
    if raw[:2] == b"PK":
        raise NotImportable(f"{file} is a zip archive. Unpack it and import the JSON file in it.")
    if raw[:4] == b"%PDF" or raw[:2] == b"\x1f\x8b":
        raise NotImportable(f"{file} is no JSON file. Export the flow as JSON.")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise NotImportable(
            f"{file}, line {line}: a character is not UTF-8. Save the file with the encoding UTF-8."
        ) from error


def _refuse_non_json(text: str, file: str) -> NoReturn:
    start = text.lstrip()[:2000]
    if re.search(r"^flow:\s*\S", start, re.MULTILINE) and re.search(r"^(?:steps|start|title):", text, re.MULTILINE):
        raise NotImportable(
            f"{file} is a flow of our own language already. Put it into the folder of flows; no import is needed."
        )
    if start.startswith("<"):
        raise NotImportable(f"{file} is HTML or XML, no JSON. Export the flow as JSON.")
    if re.match(r"(?:---|#|[\w\"'-]+:(?:\s|$)|- )", start):
        raise NotImportable(f"{file} is YAML, no JSON. Export the flow as JSON.")
    raise NotImportable(f"{file}, line 1, column 1: this is no JSON file: it should begin with {{. Give {_STUDIO}.")


def _refuse_deep_nesting(text: str, file: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, found.start()) + 1
                raise NotImportable(f"{file}, line {line}: the file is nested more than {MAX_DEPTH} deep.")
        elif mark in "]}":
            depth -= 1


def _object_without_duplicates(pairs: list[tuple[str, Any]], file: str) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        named = next(
            (str(made[key])[:80] for key in ("name", "uuid", "id", "title", "key") if isinstance(made.get(key), str)), ""
        )
        where = f" in the part named `{named}`" if named else ""
        raise NotImportable(
            f"{file}: `{twice[:80]}` stands twice{where}, and it is not clear which one holds. Take one out."
        )
    return made


def _describe_syntax_error(error: json.JSONDecodeError, text: str, file: str) -> str:
    place = f"{file}, line {error.lineno}, column {error.colno}"
    is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    if is_cut:
        return f"{place}: the file breaks off here. Export or download it again."
    return f"{place}: this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}."


def _describe_position(text: str, word: str) -> str:
    at = text.find(word)
    return f", line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}" if at >= 0 else ""


# Other products.

_KeySet = Collection[str]
_PRODUCTS: tuple[tuple[str, tuple[_KeySet, ...]], ...] = (
    ("a bot of Typebot", (("groups", "edges"), ("typebotId",), ("publicId", "theme"))),
    ("an agent of Dialogflow", (("intents", "entityTypes"), ("userSays",), ("supportedLanguages", "timeZone"),
                                ("transitionRoutes",), ("defaultLanguageCode",), ("responses", "priority"))),
    ("a bot of Amazon Lex", (("botName",), ("slotTypes",), ("resource", "metadata"))),
    ("a project of Voiceflow", (("diagrams",), ("programs",))),
    ("a workflow of n8n", (("nodes", "connections"),)),
    ("a bot of Botpress", (("catchAll",), ("startNode",))),
    ("a dialog of Bot Framework Composer", (("$kind",),)),
    ("a bot of Watson Assistant", (("dialog_nodes",),)),
    ("a bot of Rasa", (("rasa_nlu_data",), ("stories",))),
    ("a form of Typeform", (("fields", "thankyou_screens"), ("fields", "welcome_screens"))),
    ("a survey of SurveyJS", (("pages", "showProgressBar"), ("pages", "elements"))),
    ("a JSON schema, which describes files and is no flow itself", (("$schema",),)),
    ("a description of an API", (("openapi",), ("swagger",))),
    ("a package of a program", (("dependencies", "name"),)),
    ("an answer of Twilio's API without the flow itself", (("account_sid",), ("sid", "friendly_name"))),
)  # fmt: skip


def detect_product(data: object) -> str | None:
    """The name of the other product that this looks like, or None if it is not recognised."""
    if isinstance(data, list):
        rows = [row for row in data if isinstance(row, dict)]
        if any("wires" in row for row in rows):
            return "a flow of Node-RED"
        return detect_product(rows[0]) if rows else None
    if not isinstance(data, Mapping):
        return None
    keys = set(data)
    return next((name for name, signs in _PRODUCTS if any(set(sign) <= keys for sign in signs)), None)


def _describe_shape(data: object) -> str:
    if isinstance(data, dict):
        return (
            f"it is an object with {', '.join(f'`{str(key)[:40]}`' for key in list(data)[:6])}"
            if data
            else "it is an empty object"
        )
    return f"it is a list of {len(data)}" if isinstance(data, list) else "it is a single value"
