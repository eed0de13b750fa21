"""Read the directory for the console: lists of services, one service in full, and the services to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from bot.domain.directory import cards, places
from bot.domain.directory.editing import Freshness, ServiceForm, freshness_of
from bot.domain.directory.ranking import RankedHit, ServiceHit, rank_hits
from bot.domain.directory.schedules import is_open
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.segments import SegmentCount, fold_for_sms, measure_segments
from bot.storage.directory import catalog
from bot.storage.directory.catalog import ServiceDetail, ServiceFilter, ServiceListRow
from bot.usecases.directory import search_services
from bot.usecases.directory.edit_services import DirectorySettings, content_hash, form_of, service_version
from bot.usecases.directory.search_services import DirectorySearch, UnknownZip
from bot.usecases.directory.values import ServiceValues, values_of
from bot.usecases.directory.words import hours_for_staff, read_directory_words

PAGE = 20
MAX_CHECKED_FOR_OPEN = 200
"""In a list of services open now, so many are checked at most."""


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """The search form; "" means no restriction."""

    need: str = ""
    words: str = ""
    near: str = ""
    """A ZIP code."""
    language: str = ""
    open_now: bool = False
    accepting: str = ""
    """yes, no or unknown."""
    freshness: str = ""
    page: int = 1

    @property
    def is_list(self) -> bool:
        """Whether it is a list rather than a search: by freshness, by accepting new people, or of everything."""
        asks = self.need or self.words or self.near or self.language or self.open_now
        return bool(self.accepting) or self.freshness not in ("", Freshness.FRESH) or not asks


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One line of a list. `placed` is None for a service that is gone and has no search listing."""

    line: ServiceListRow
    placed: RankedHit | None

    @property
    def number(self) -> str:
        return cards.phone_of(self.placed.hit.shown) if self.placed else ""


@dataclass(frozen=True, slots=True)
class ServiceList:
    """One page of a list. `total` is None for a search, which does not count; `problem` says why there was no search."""

    rows: tuple[ServiceLine, ...] = ()
    total: int | None = None
    has_more: bool = False
    place: places.ZipPlace | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CardPreview:
    """The card as texted in one language. `text` is None where the service has neither a number nor an address."""

    language: str
    text: str | None
    size: SegmentCount | None


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """Where a service is offered."""

    name: str
    address: str
    number: str
    hours: str
    is_open: bool | None


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One service."""

    line: ServiceListRow
    version: str
    typed: ServiceForm
    values: ServiceValues
    accepting_at: datetime | None
    is_offered: bool
    why_not: tuple[str, ...]
    """Why it is not offered to people, a sentence each."""
    cards: tuple[CardPreview, ...]
    places: tuple[ServicePlace, ...]
    needs: tuple[str, ...]
    source: str
    outcomes: dict[str, int]
    states: dict[str, int]
    details: dict[str, Any]
    """As it was imported."""
    siblings: int
    """Number of services of the same agency, including this one."""


def list_services(db: Session, query: DirectoryQuery, zone: ZoneInfo, now: datetime) -> ServiceList:
    """A page of results: of a search the best first; of a list the nearest first, or alphabetically."""
    try:
        return _list_page(db, query, zone, now) if query.is_list else _search_page(db, query, zone, now)
    except UnknownZip as unknown:
        return ServiceList(problem=str(unknown))


def _search_page(db: Session, query: DirectoryQuery, zone: ZoneInfo, now: datetime) -> ServiceList:
    last = query.page * PAGE
    answer = search_services.search_for_staff(
        db,
        DirectorySearch(
            need=query.need or None, words=query.words, near=query.near or None, language=query.language or SOURCE_LANGUAGE,
            open_now=query.open_now, offered=query.freshness == Freshness.FRESH, most=last + 1,
        ),
        zone,
        now,
    )  # fmt: skip
    shown = answer.found[last - PAGE : last]
    lines = catalog.list_rows(db, [one.hit.service_id for one in shown], now)
    rows = tuple(ServiceLine(lines[one.hit.service_id], one) for one in shown if one.hit.service_id in lines)
    return ServiceList(rows, None, len(answer.found) > last, answer.place)


def _list_page(db: Session, query: DirectoryQuery, zone: ZoneInfo, now: datetime) -> ServiceList:
    place = places.find_zip(query.near) if query.near else None
    if query.near and place is None:
        raise UnknownZip(f"{query.near} is no ZIP code that is known. Give one of five digits, such as 63101.")
    near = (place.latitude, place.longitude) if place else None
    language = query.language or None
    sought = ServiceFilter(query.freshness or None, query.need or None, query.words, query.accepting or None, language, near)
    first = (query.page - 1) * PAGE
    if not query.open_now:
        ids, total = catalog.browse(db, sought, now, PAGE, first)
        return ServiceList(tuple(_service_lines(db, ids, near, zone, now)), total, total > first + PAGE, place)
    ids, total = catalog.browse(db, sought, now, MAX_CHECKED_FOR_OPEN, 0)
    found = [one for one in _service_lines(db, ids, near, zone, now) if one.placed and one.placed.is_open]
    return ServiceList(tuple(found[first : first + PAGE]), None, len(found) > first + PAGE, place)


def freshness_counts(db: Session, now: datetime) -> dict[str, int]:
    """How many services there are of each `Freshness`."""
    return catalog.freshness_counts(db, now)


def list_to_call(
    db: Session, never_checked: bool, page: int, zone: ZoneInfo, now: datetime
) -> tuple[list[ServiceLine], bool]:
    """A page of the services to call, and whether there are more: those whose check expires first, or, with
    `never_checked`, those that were never checked.

    To be called first in a transaction: all of it then reads from one snapshot.
    """
    catalog.use_single_snapshot(db)
    of = catalog.list_never_checked if never_checked else catalog.list_due_for_check
    ids = of(db, PAGE + 1, (page - 1) * PAGE)
    return _service_lines(db, ids[:PAGE], None, zone, now), len(ids) > PAGE


def _service_lines(
    db: Session, ids: Sequence[int], near: tuple[float, float] | None, zone: ZoneInfo, now: datetime
) -> list[ServiceLine]:
    lines = catalog.list_rows(db, ids, now)
    placed = {one.hit.service_id: one for one in _place_services(db, ids, near, zone, now)}
    return [ServiceLine(lines[each], placed.get(each)) for each in ids]


def _place_services(
    db: Session, ids: Sequence[int], near: tuple[float, float] | None, zone: ZoneInfo, now: datetime
) -> list[RankedHit]:
    hits = [
        ServiceHit(**{**row, "needs": tuple(row["needs"]), "languages": tuple(row["languages"])})
        for row in catalog.listing_rows(db, ids)
    ]
    return list(
        rank_hits(
            hits,
            near,
            SOURCE_LANGUAGE,
            lambda hit: _is_open(hit.shown.get("schedules", ()), hit.shown.get("zip"), zone, now),
        )
    )


def _is_open(schedules: Any, zip_code: object, zone: ZoneInfo, now: datetime) -> bool | None:
    return is_open(schedules, now, _zone_of(zip_code, zone)) if schedules else None


def _zone_of(zip_code: object, zone: ZoneInfo) -> ZoneInfo:
    place = places.find_zip(str(zip_code or ""))
    try:
        return ZoneInfo(place.zone) if place else zone
    except (ZoneInfoNotFoundError, ValueError):
        return zone


def read_service_with_hash(
    db: Session, settings: DirectorySettings, service_id: int, now: datetime
) -> tuple[ServicePage | None, str]:
    """All about a service, and its `content_hash` of the same moment; None and "" where the id is unknown.

    To be called first in a transaction: all of it then reads from one snapshot.
    """
    catalog.use_single_snapshot(db)
    return read_service(db, settings, service_id, now), content_hash(db, service_id)


def read_service(db: Session, settings: DirectorySettings, service_id: int, now: datetime) -> ServicePage | None:
    """All about a service; None where the id is unknown."""
    held = catalog.load_service(db, service_id)
    if held is None:
        return None
    service, values = held.service, values_of(held)
    line = catalog.list_rows(db, [service_id], now)[service_id]
    placed = _place_services(db, [service_id], None, settings.zone, now)
    outcomes, states = catalog.referral_counts(db, service_id)
    said = _card_previews(placed, service.needs, settings, now)
    why_not = tuple(_reasons_not_offered(held, bool(said and said[0].text), now))
    return ServicePage(
        line=line,
        version=service_version(service),
        typed=form_of(values, settings),
        values=values,
        accepting_at=service.accepting_at,
        is_offered=not why_not,
        why_not=why_not,
        cards=said,
        places=_service_places(db, held, settings, now),
        needs=tuple(service.needs),
        source=service.source,
        outcomes=outcomes,
        states=states,
        details=service.details,
        siblings=len(catalog.list_services_of_organization(db, held.organization.id)) if held.organization else 0,
    )


def _card_previews(
    placed: list[RankedHit], needs: Sequence[str], settings: DirectorySettings, now: datetime
) -> tuple[CardPreview, ...]:
    if not placed:
        return ()
    found = []
    for language in settings.languages:
        words = read_directory_words().in_language(language)
        today = _local_date(placed[0].hit, settings, now)
        text = cards.card_of(placed[0], needs[0] if needs else None, language, words, today)
        # As it is sent by SMS: without accents, which would double its cost.
        text = fold_for_sms(text) if text else text
        found.append(CardPreview(language, text, measure_segments(text) if text else None))
    return tuple(found)


def _local_date(hit: ServiceHit, settings: DirectorySettings, now: datetime) -> date:
    return now.astimezone(_zone_of(hit.shown.get("zip"), settings.zone)).date()


def _reasons_not_offered(held: ServiceDetail, has_card: bool, now: datetime) -> list[str]:
    service = held.service
    kind = freshness_of(service.verified, service.review_by, service.status, service.gone_at is not None, now)
    why = []
    if service.gone_at is not None:
        why.append("The directory that it came from no longer has it.")
    elif service.status != "active":
        why.append(f"It is marked as {service.status}.")
    if kind is Freshness.NEVER:
        why.append("Nobody has checked it, or its number was changed since.")
    if kind is Freshness.STALE:
        why.append("It was checked too long ago.")
    if service.accepting is False:
        why.append("It takes nobody new.")
    if service.gone_at is None and not has_card:
        why.append("It has no number that can be called and no street address.")
    if not service.needs:
        why.append("It has no need, so no conversation looks for it.")
    return why


def _service_places(
    db: Session, held: ServiceDetail, settings: DirectorySettings, now: datetime
) -> tuple[ServicePlace, ...]:
    found = []
    for row in catalog.listing_rows(db, [held.service.id]):
        shown = row["shown"]
        if row["location_id"] is None:
            continue
        schedules = shown.get("schedules", ())
        today = now.astimezone(_zone_of(shown.get("zip"), settings.zone)).date()
        found.append(
            ServicePlace(
                name=str(shown.get("place", "")),
                address=_address(shown.get("addresses", ())),
                number=cards.phone_of(shown),
                hours=hours_for_staff(schedules, today),
                is_open=_is_open(schedules, shown.get("zip"), settings.zone, now),
            )
        )
    return tuple(found)


def _address(rows: Any) -> str:
    if not rows:
        return ""
    names = ("address_1", "address_2", "city", "state_province", "postal_code")
    return ", ".join(str(rows[0][name]) for name in names if rows[0].get(name))
