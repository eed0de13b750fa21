"""The form of a service: parsing it, what it was opened with, and the labels of its fields."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from flask import request

from bot.domain.directory.editing import DAYS, ServiceForm, normalized
from bot.domain.languages import english_name
from bot.domain.messages.segments import SegmentCount, fold_for_sms, measure_segments
from bot.usecases.directory.edit_services import OpenedServiceForm
from bot.usecases.directory.read_services import ServicePage
from bot.usecases.directory.words import hours_for_staff
from bot.web import forms
from bot.web.console import wording

NEED_LABELS = {
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
STATUS_LABELS = {
    "active": "Active",
    "temporarily closed": "Closed for a time",
    "inactive": "Not offered for now",
    "defunct": "Closed for good",
}
FIELD_LABELS = {
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
ACCEPTING_LABELS = {True: "Takes new people", False: "Takes nobody new", None: "Not known whether it takes new people"}
_SINGLE_LINE_FIELDS = (
    "name",
    "agency",
    "alert",
    "url",
    "email",
    "street",
    "city",
    "state",
    "zip",
    "languages",
    "zips",
    "status",
)
_SHOWN_APART = ("name", "cards", "status", "street", "city", "state", "zip")
_DETAILS_SHOWN_ELSEWHERE = frozenset(
    {"description", "alert", "url", "email", "eligibility_description", "status", "assured_date"}
)


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """One field on the page of a service. `imported` is None if staff have not changed it."""

    label: str
    current: str
    imported: str | None
    link: str = ""


def read_form(languages: tuple[str, ...]) -> ServiceForm:
    """The posted form."""
    return normalized(
        ServiceForm(
            **{name: forms.clean_text(name) for name in (*_SINGLE_LINE_FIELDS, "description", "eligibility", "phones")},
            needs=tuple(request.form.getlist("needs")),
            hours=tuple(forms.clean_text(f"hours-{number}") for number in range(len(DAYS))),
            cards=tuple((code, forms.clean_text(f"card-{code}")) for code in languages),
        )
    )


def read_opened() -> OpenedServiceForm:
    """The values that the form was opened with. They come from the browser; forged ones can at most cause a needless
    conflict page."""
    return OpenedServiceForm(forms.field("version"), _load_typed(forms.field("opened")))


def dump_typed(typed: ServiceForm) -> str:
    """JSON for the hidden field with the values that the form was opened with."""
    return json.dumps(dataclasses.asdict(typed), ensure_ascii=False)


def _load_typed(words: str) -> ServiceForm | None:
    try:
        raw = json.loads(words)
        names = {one.name for one in dataclasses.fields(ServiceForm)}
        if not isinstance(raw, dict) or set(raw) != names:
            return None
        lists = {name: tuple(map(str, raw[name])) for name in ("needs", "hours")}
        pairs = tuple((str(code), str(text)) for code, text in raw["cards"])
        plain = {name: str(raw[name]) for name in names - {"needs", "hours", "cards"}}
    except (ValueError, TypeError, RecursionError):
        return None
    return ServiceForm(**plain, needs=lists["needs"], hours=lists["hours"], cards=pairs)


def need_label(code: str) -> str:
    """The label of a need."""
    return wording.plain(code, NEED_LABELS)


def format_value(name: str, value: Any) -> str:
    """A field's value as text, "nothing" if it is empty."""
    if name == "needs":
        return ", ".join(need_label(code) for code in value) or "nothing"
    if name == "hours":
        return "; ".join(f"{day} {line}" for day, line in zip(DAYS, value, strict=True) if line) or "nothing"
    if name == "cards":
        return " / ".join(f"{english_name(code)}: {text}" for code, text in value if text) or "nothing"
    if name == "status":
        return wording.plain(value, STATUS_LABELS)
    return str(value) or "nothing"


def facts(page: ServicePage, imported: ServiceForm) -> list[ServiceFact]:
    """The non-empty fields of a service, each with the imported value if staff have changed it."""
    found = []
    for name, label in FIELD_LABELS.items():
        now, before = getattr(page.typed, name), getattr(imported, name)
        if name == "hours":
            now_text = _hours(page.values.held) or format_value(name, now)
            before_text = _hours(page.values.imported) or format_value(name, before)
        else:
            now_text, before_text = format_value(name, now), format_value(name, before)
        if name in _SHOWN_APART and not (name == "name" and now != before):
            continue
        if now_text == before_text == "nothing":
            continue
        link = now_text if name == "url" and now_text.lower().startswith(("https://", "http://")) else ""
        found.append(ServiceFact(label, now_text, before_text if now_text != before_text else None, link))
    address, old_address = _address(page.typed), _address(imported)
    if address or old_address:
        found.insert(
            len(found) // 2,
            ServiceFact("Address", address or "nothing", (old_address or "nothing") if old_address != address else None),
        )
    return found


def _hours(values: dict[str, Any]) -> str:
    rows = values["schedules"] or ()
    return hours_for_staff(rows) or ("More than a week can say; see the agency's own words" if rows else "")


def _address(typed: ServiceForm) -> str:
    return ", ".join(part for part in (typed.street, typed.city, typed.state, typed.zip) if part)


def other_details(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Further details of the imported service as (label, value)."""
    found = [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in sorted(details.items())
        if name not in _DETAILS_SHOWN_ELSEWHERE and isinstance(value, str | int | float) and not name.endswith("_id")
    ]
    documents = [str(row["document"]) for row in details.get("required_documents", ()) if row.get("document")]
    return [*found, *([("To bring", ", ".join(documents))] if documents else [])]


def card_segments(typed: ServiceForm) -> dict[str, SegmentCount]:
    """Language -> the SMS segments of its reviewed card, as the carrier sends it."""
    return {code: measure_segments(fold_for_sms(text)) for code, text in typed.cards if text}
