"""Tables of the directory: who helps with what, where and when, following the Human Services Data Specification 3 (HSDS).

`details` holds what was imported, under the names of the specification; `edits` holds the staff's later changes, which
win, so that the next import cannot undo them. `listing` is the denormalised table that searches read.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, Date, Float, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables.residents import Base, id_column


class Organization(Base):
    """An organization that offers services."""

    __tablename__ = "organization"
    id: Mapped[int] = id_column()
    source: Mapped[str]
    """The directory that it came from: the name under which its package is imported each time."""
    key: Mapped[str]
    """Its id in that directory."""
    name: Mapped[str]
    details: Mapped[dict[str, Any]]
    edits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """The imported name, where the staff have given another one."""
    gone_at: Mapped[datetime | None]
    """When an import of its directory no longer contained it: hidden, but kept for the referrals that name it."""
    updated_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("source", "key"),)


class Location(Base):
    """A place where a service is offered."""

    __tablename__ = "location"
    id: Mapped[int] = id_column()
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


class Service(Base):
    """What a person can be referred to. A service that was never checked, or is past its `review_by`, is not texted."""

    __tablename__ = "service"
    id: Mapped[int] = id_column()
    slug: Mapped[str] = mapped_column(unique=True)
    """`<source>/<key>`, or the slug of directory/*.yaml."""
    name: Mapped[str]
    needs: Mapped[list[str]] = mapped_column(JSONB)
    """Needs as the flows name them (directory/needs.yaml)."""
    zips: Mapped[list[str]] = mapped_column(JSONB)
    """ZIP prefixes that it serves; empty means everywhere."""
    cards: Mapped[dict[str, Any]]
    """Reviewed texts by language; {} if the card is generated from the details."""
    verified: Mapped[bool]
    review_by: Mapped[datetime]
    source: Mapped[str]
    origin: Mapped[str] = mapped_column(server_default=text("'files'"))
    """The directory that it came from; `files` for directory/*.yaml, `staff` for services created in the console."""
    key: Mapped[str | None]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    """active, inactive, defunct or temporarily closed, as in HSDS."""
    languages: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    accepting: Mapped[bool | None]
    """Whether it takes new people now; null: unknown."""
    accepting_at: Mapped[datetime | None]
    assured_on: Mapped[date | None] = mapped_column(Date)
    """The day on which the service's facts were last checked."""
    assured_by: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    edits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    replaced: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """The imported values of name, needs and zips (which are not in `details`) where the staff have changed them."""
    gone_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    __table_args__ = (
        Index("service_of_origin", "origin", "key", unique=True, postgresql_where=text("key is not null")),
        Index("service_organization", "organization_id"),
        # Every text that asks for help searches the few services from files among a hundred thousand imported ones.
        Index("service_of_files", "id", postgresql_where=text("origin = 'files'")),
    )


class ServiceAtLocation(Base):
    """Links a service to a place, with details that apply only to this pair."""

    __tablename__ = "service_at_location"
    id: Mapped[int] = id_column()
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id", ondelete="CASCADE"), index=True)
    key: Mapped[str]
    details: Mapped[dict[str, Any]]
    __table_args__ = (UniqueConstraint("service_id", "location_id"),)


class Listing(Base):
    """A service at one of its places, denormalised for searching; rebuilt whenever either of them changes.

    Everything that a search filters by or shows is in this one row: joining the records costs a hundred times as much.
    """

    __tablename__ = "listing"
    id: Mapped[int] = id_column()
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"), index=True)
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id", ondelete="CASCADE"))
    needs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    offered: Mapped[bool]
    """Whether it may be offered to people: active, not gone, checked, and with a phone number or an address."""
    review_by: Mapped[datetime]
    accepting: Mapped[bool | None]
    imported: Mapped[bool]
    """False for directory/*.yaml, whose services are found by ZIP code prefixes."""
    words: Mapped[Any] = mapped_column(TSVECTOR)
    shown: Mapped[dict[str, Any]]
    """What cards and result lists show: name, organization, place, phones, addresses, schedules, url."""
    __table_args__ = (
        Index("listing_needs", "needs", postgresql_using="gin"),
        Index("listing_words", "words", postgresql_using="gin"),
        Index("listing_place", text("point(longitude, latitude)"), postgresql_using="gist"),
        # Otherwise a directory in which nothing was checked yet would be scanned completely for every text.
        Index(
            "listing_offered", text("point(longitude, latitude)"), postgresql_using="gist", postgresql_where=text("offered")
        ),
        Index("listing_without_place", "service_id", postgresql_where=text("latitude is null")),
    )


class TaxonomyTerm(Base):
    """A directory's term for a kind of help, and the matching needs of the flows."""

    __tablename__ = "taxonomy_term"
    id: Mapped[int] = id_column()
    source: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    parent_key: Mapped[str | None]
    needs: Mapped[list[str]] = mapped_column(JSONB)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    __table_args__ = (UniqueConstraint("source", "key"),)


class DirectoryImport(Base):
    """A completed import: what was imported, and every row that was refused."""

    __tablename__ = "directory_import"
    id: Mapped[int] = id_column()
    source: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]
    report: Mapped[dict[str, Any]]
