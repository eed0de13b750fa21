"""The form of a service: what was posted, what it was opened with, and the words for its fields."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from flask import request

from bot.domain.directory.editing import DAYS, Typed, tidied
from bot.domain.directory.hours_words import hours_words
from bot.domain.segments import Segments, fold_for_sms, measure
from bot.usecases.edit_directory import Opened
from bot.usecases.read_directory import ServicePage
from bot.web import forms
from bot.web.console import wording

NEEDS = {
    "rent": "Rent or eviction",
    "utilities": "Light, heat or water bills",
    "food": "Food",
    "shelter": "Shelter tonight",
    "jobs": "Jobs and training",
    "counseling": "Counseling",
    "safety": "Safety at home",
    "youth": "Young people",
    "housing": "Housing for longer",
    "health": "Health care",
    "legal": "Legal help",
    "transport": "Transport",
    "clothing": "Clothing",
    "childcare": "Child care",
    "substances": "Alcohol and drugs",
    "benefits": "Benefits",
    "hygiene": "Showers and hygiene",
}
STATUSES = {
    "active": "Active",
    "temporarily closed": "Closed for a time",
    "inactive": "Not offered for now",
    "defunct": "Closed for good",
}
FIELDS = {
    "name": "Name",
    "agency": "Agency",
    "description": "What they do",
    "alert": "Note for staff",
    "phones": "Telephone",
    "url": "Web page",
    "email": "E-mail",
    "street": "Street",
    "city": "City",
    "state": "State",
    "zip": "ZIP code",
    "eligibility": "For whom",
    "languages": "Languages",
    "needs": "Needs",
    "hours": "Hours",
    "zips": "ZIP codes served",
    "cards": "Reviewed words",
    "status": "Status",
}
ACCEPTING = {True: "Takes new people", False: "Takes nobody new", None: "Not known whether it takes new people"}
_ONE_LINE = ("name", "agency", "alert", "url", "email", "street", "city", "state", "zip", "languages", "zips", "status")
_SHOWN_APART = ("name", "cards", "status", "street", "city", "state", "zip")
_COVERED = frozenset({"description", "alert", "url", "email", "eligibility_description", "status", "assured_date"})


@dataclass(frozen=True, slots=True)
class Fact:
    """One field on the page of a service. `imported` is None where nobody has changed it."""

    label: str
    now: str
    imported: str | None
    link: str = ""


def posted(languages: tuple[str, ...]) -> Typed:
    """The form as it was sent."""
    return tidied(
        Typed(
            **{name: forms.words(name) for name in (*_ONE_LINE, "description", "eligibility", "phones")},
            needs=tuple(request.form.getlist("needs")),
            hours=tuple(forms.words(f"hours-{number}") for number in range(len(DAYS))),
            cards=tuple((code, forms.words(f"card-{code}")) for code in languages),
        )
    )


def opened() -> Opened:
    """What the form was opened with; nothing that was made up can do more than ask somebody to look once more."""
    return Opened(forms.field("version"), _read(forms.field("opened")))


def as_json(typed: Typed) -> str:
    """For the hidden field that tells what stood in the form when it was opened."""
    return json.dumps(dataclasses.asdict(typed), ensure_ascii=False)


def _read(words: str) -> Typed | None:
    try:
        raw = json.loads(words)
        names = {one.name for one in dataclasses.fields(Typed)}
        if not isinstance(raw, dict) or set(raw) != names:
            return None
        lists = {name: tuple(map(str, raw[name])) for name in ("needs", "hours")}
        pairs = tuple((str(code), str(text)) for code, text in raw["cards"])
        plain = {name: str(raw[name]) for name in names - {"needs", "hours", "cards"}}
    except (ValueError, TypeError, RecursionError):
        return None
    return Typed(**plain, needs=lists["needs"], hours=lists["hours"], cards=pairs)


def need(code: str) -> str:
    """A need as staff read it."""
    return wording.plain(code, NEEDS)


def in_words(name: str, value: Any) -> str:
    """What somebody else has saved in a field, to be shown beside what was typed."""
    if name == "needs":
        return ", ".join(need(code) for code in value) or "nothing"
    if name == "hours":
        return "; ".join(f"{day} {line}" for day, line in zip(DAYS, value, strict=True) if line) or "nothing"
    if name == "cards":
        return " / ".join(f"{wording.language(code)}: {text}" for code, text in value if text) or "nothing"
    if name == "status":
        return wording.plain(value, STATUSES)
    return str(value) or "nothing"


def facts(page: ServicePage, imported: Typed) -> list[Fact]:
    """The fields of a service, each with what was imported where staff have changed it; empty ones are left out."""
    found = []
    for name, label in FIELDS.items():
        now, before = getattr(page.typed, name), getattr(imported, name)
        if name == "hours":
            now_said = _hours(page.values.held) or in_words(name, now)
            before_said = _hours(page.values.imported) or in_words(name, before)
        else:
            now_said, before_said = in_words(name, now), in_words(name, before)
        if name in _SHOWN_APART and not (name == "name" and now != before):
            continue
        if now_said == before_said == "nothing":
            continue
        link = now_said if name == "url" and now_said.lower().startswith(("https://", "http://")) else ""
        found.append(Fact(label, now_said, before_said if now_said != before_said else None, link))
    address, was = _address(page.typed), _address(imported)
    if address or was:
        found.insert(len(found) // 2, Fact("Address", address or "nothing", (was or "nothing") if was != address else None))
    return found


def _hours(values: dict[str, Any]) -> str:
    rows = values["schedules"] or ()
    return hours_words(rows, "en") or ("More than a week can say; see the agency's own words" if rows else "")


def _address(typed: Typed) -> str:
    return ", ".join(part for part in (typed.street, typed.city, typed.state, typed.zip) if part)


def more(details: dict[str, Any]) -> list[tuple[str, str]]:
    """What else the imported directory says, in words of one or two."""
    found = [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in sorted(details.items())
        if name not in _COVERED and isinstance(value, str | int | float) and not name.endswith("_id")
    ]
    documents = [str(row["document"]) for row in details.get("required_documents", ()) if row.get("document")]
    return [*found, *([("To bring", ", ".join(documents))] if documents else [])]


def sizes(typed: Typed) -> dict[str, Segments]:
    """How many segments each reviewed card has, as the carrier sends it."""
    return {code: measure(fold_for_sms(text)) for code, text in typed.cards if text}
