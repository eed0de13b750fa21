"""The tables of the directory: who helps with what, where and when, after the Human Services Data Specification 3.

What was imported stands in `details`, as the specification names it; what the staff have changed since stands in `edits`
and wins, so that the next import cannot undo it. What people are found by is laid out in `listing`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, Date, Float, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables import Table, identity


class Organization(Table):
    """Who offers services."""

    __tablename__ = "organization"
    id: Mapped[int] = identity()
    source: Mapped[str]
    """The directory that it came from: the name under which a package is imported, again and again."""
    key: Mapped[str]
    """Its id in that directory."""
    name: Mapped[str]
    details: Mapped[dict[str, Any]]
    edits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """The imported name, where the staff have given another one."""
    gone_at: Mapped[datetime | None]
    """When an import of its directory no longer had it: hidden, and kept for the referrals that name it."""
    updated_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("source", "key"),)


class Location(Table):
    """A place where a service is offered."""

    __tablename__ = "location"
    id: Mapped[int] = identity()
    source: Mapped[str]
    key: Mapped[str]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str]
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    zip: Mapped[str | None]
    city: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    edits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    gone_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("source", "key"),)


class Service(Table):
    """What a person can be referred to. Nothing past its `review_by` is texted, and nothing that nobody has checked."""

    __tablename__ = "service"
    id: Mapped[int] = identity()
    slug: Mapped[str] = mapped_column(unique=True)
    """`<source>/<key>`, or the slug of directory/*.yaml."""
    name: Mapped[str]
    needs: Mapped[list[str]] = mapped_column(JSONB)
    """The words of our flows (directory/needs.yaml)."""
    zips: Mapped[list[str]] = mapped_column(JSONB)
    """ZIP prefixes that it serves; empty means everywhere."""
    cards: Mapped[dict[str, Any]]
    """Reviewed words to be texted, by language; {} where the card is made of the details."""
    verified: Mapped[bool]
    review_by: Mapped[datetime]
    source: Mapped[str]
    origin: Mapped[str] = mapped_column(server_default=text("'files'"))
    """The directory that it came from; `files` for directory/*.yaml, `staff` for one that was written in the console."""
    key: Mapped[str | None]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    """active, inactive, defunct or temporarily closed, as the specification has it."""
    languages: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    accepting: Mapped[bool | None]
    """Whether it takes new people now; null: not known."""
    accepting_at: Mapped[datetime | None]
    assured_on: Mapped[date | None] = mapped_column(Date)
    """The day on which somebody last checked that this is right."""
    assured_by: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    edits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What was imported of the fields that stand in no details (name, needs, zips), where the staff have changed them."""
    gone_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    __table_args__ = (
        Index("service_of_origin", "origin", "key", unique=True, postgresql_where=text("key is not null")),
        Index("service_organization", "organization_id"),
        # Every text that asks for help looks through the files' few services, among a hundred thousand imported ones.
        Index("service_of_files", "id", postgresql_where=text("origin = 'files'")),
    )


class ServiceAtLocation(Table):
    """That a service is offered at a place, and what holds for this pair alone."""

    __tablename__ = "service_at_location"
    id: Mapped[int] = identity()
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id", ondelete="CASCADE"), index=True)
    key: Mapped[str]
    details: Mapped[dict[str, Any]]
    __table_args__ = (UniqueConstraint("service_id", "location_id"),)


class Listing(Table):
    """A service at one of its places, laid out to be searched; made anew whenever one of the two changes.

    Whatever a search asks for or shows stands in this one row: to read the records themselves costs a hundred times as much.
    """

    __tablename__ = "listing"
    id: Mapped[int] = identity()
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"), index=True)
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id", ondelete="CASCADE"))
    needs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    offered: Mapped[bool]
    """Whether people may be told of it at all: active, not gone, checked, and with a number or an address."""
    review_by: Mapped[datetime]
    accepting: Mapped[bool | None]
    imported: Mapped[bool]
    """False for directory/*.yaml, whose services are found by the beginnings of ZIP codes."""
    words: Mapped[Any] = mapped_column(TSVECTOR)
    shown: Mapped[dict[str, Any]]
    """What a card or a line of results is made of: name, organization, place, phones, addresses, schedules, url."""
    __table_args__ = (
        Index("listing_needs", "needs", postgresql_using="gin"),
        Index("listing_words", "words", postgresql_using="gin"),
        Index("listing_place", text("point(longitude, latitude)"), postgresql_using="gist"),
        # A directory of which nothing was checked yet would otherwise be walked to its end for every text.
        Index(
            "listing_offered", text("point(longitude, latitude)"), postgresql_using="gist", postgresql_where=text("offered")
        ),
        Index("listing_without_place", "service_id", postgresql_where=text("latitude is null")),
    )


class TaxonomyTerm(Table):
    """What a directory calls a kind of help, and what our flows call it."""

    __tablename__ = "taxonomy_term"
    id: Mapped[int] = identity()
    source: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    parent_key: Mapped[str | None]
    needs: Mapped[list[str]] = mapped_column(JSONB)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    __table_args__ = (UniqueConstraint("source", "key"),)


class DirectoryImport(Table):
    """An import that was made: what it took, and every row that it refused."""

    __tablename__ = "directory_import"
    id: Mapped[int] = identity()
    source: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]]
