"""The tables of the Human Services Data Specification 3 that we read and write: columns, lists, required columns.

Source: docs.openreferral.org, version 3.0, with the links (`url`) of 3.1. A column that is not listed here is not imported,
and the report says so; thus an export equals what was imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class TableSpec:
    """One table. `columns` are its own, without the foreign keys to owners in the tabular form."""

    plural: str
    columns: tuple[str, ...]
    lists: dict[str, str] = field(default_factory=dict)
    """List name in the JSON form -> table of its rows."""
    owners: dict[str, str] = field(default_factory=dict)
    """Foreign key column in the tabular form -> the owner's table."""
    required: tuple[str, ...] = ()
    """Text columns that the specification requires in every row; written as "" where they are not known."""


_COMMON = {"attributes": "attribute", "metadata": "metadata"}

TABLES: MappingProxyType[str, TableSpec] = MappingProxyType(
    {
        "organization": TableSpec(
            "organizations",
            (
                *("id", "name", "alternate_name", "description", "email", "website", "tax_status", "tax_id"),
                *("year_incorporated", "legal_status", "logo", "uri", "parent_organization_id"),
            ),
            {
                "funding": "funding",
                "contacts": "contact",
                "phones": "phone",
                "programs": "program",
                "organization_identifiers": "organization_identifier",
                "additional_urls": "url",
                **_COMMON,
            },
            required=("name", "description"),
        ),
        "location": TableSpec(
            "locations",
            (
                *("id", "location_type", "url", "name", "alternate_name", "description", "transportation"),
                *("latitude", "longitude", "external_identifier", "external_identifier_type"),
            ),
            {
                "languages": "language",
                "addresses": "address",
                "contacts": "contact",
                "accessibility": "accessibility",
                "phones": "phone",
                "schedules": "schedule",
                **_COMMON,
            },
            {"organization_id": "organization"},
            required=("location_type",),
        ),
        "service": TableSpec(
            "services",
            (
                *("id", "program_id", "name", "alternate_name", "description", "url", "email", "status"),
                *("interpretation_services", "application_process", "fees_description", "wait_time", "accreditations"),
                *("eligibility_description", "minimum_age", "maximum_age", "assured_date", "assurer_email", "licenses"),
                *("alert", "last_modified"),
            ),
            {
                "phones": "phone",
                "schedules": "schedule",
                "service_areas": "service_area",
                "languages": "language",
                "funding": "funding",
                "cost_options": "cost_option",
                "required_documents": "required_document",
                "contacts": "contact",
                "additional_urls": "url",
                **_COMMON,
            },
            {"organization_id": "organization"},
            required=("name", "status"),
        ),
        "service_at_location": TableSpec(
            "service_at_locations",
            ("id", "description"),
            {
                "contacts": "contact",
                "phones": "phone",
                "schedules": "schedule",
                "service_areas": "service_area",
                **_COMMON,
            },
            {"service_id": "service", "location_id": "location"},
        ),
        "taxonomy": TableSpec(
            "taxonomies", ("id", "name", "description", "uri", "version"), required=("name", "description")
        ),
        "taxonomy_term": TableSpec(
            "taxonomy_terms",
            ("id", "code", "name", "description", "parent_id", "taxonomy", "language", "taxonomy_id", "term_uri"),
            required=("name", "description"),
        ),
        "phone": TableSpec(
            "phones",
            ("id", "number", "extension", "type", "description"),
            {"languages": "language", **_COMMON},
            {
                "location_id": "location",
                "service_id": "service",
                "organization_id": "organization",
                "contact_id": "contact",
                "service_at_location_id": "service_at_location",
            },
            required=("number",),
        ),
        "contact": TableSpec(
            "contacts",
            ("id", "name", "title", "department", "email"),
            {"phones": "phone", **_COMMON},
            {
                "organization_id": "organization",
                "service_id": "service",
                "location_id": "location",
                "service_at_location_id": "service_at_location",
            },
        ),
        "schedule": TableSpec(
            "schedules",
            (
                *("id", "valid_from", "valid_to", "dtstart", "timezone", "until", "count", "wkst", "freq", "interval"),
                *("byday", "byweekno", "bymonthday", "byyearday", "description", "opens_at", "closes_at"),
                *("schedule_link", "attending_type", "notes"),
            ),
            dict(_COMMON),
            {"service_id": "service", "location_id": "location", "service_at_location_id": "service_at_location"},
        ),
        "address": TableSpec(
            "addresses",
            (
                *("id", "attention", "address_1", "address_2", "city", "region", "state_province", "postal_code"),
                *("country", "address_type"),
            ),
            dict(_COMMON),
            {"location_id": "location"},
            required=("address_1", "city", "state_province", "postal_code", "country", "address_type"),
        ),
        "language": TableSpec(
            "languages",
            ("id", "name", "code", "note"),
            dict(_COMMON),
            {"service_id": "service", "location_id": "location", "phone_id": "phone"},
        ),
        "accessibility": TableSpec(
            "accessibility", ("id", "description", "details", "url"), dict(_COMMON), {"location_id": "location"}
        ),
        "required_document": TableSpec(
            "required_documents", ("id", "document", "uri"), dict(_COMMON), {"service_id": "service"}
        ),
        "cost_option": TableSpec(
            "cost_options",
            ("id", "valid_from", "valid_to", "option", "currency", "amount", "amount_description"),
            dict(_COMMON),
            {"service_id": "service"},
        ),
        "service_area": TableSpec(
            "service_areas",
            ("id", "name", "description", "extent", "extent_type", "uri"),
            dict(_COMMON),
            {"service_id": "service", "service_at_location_id": "service_at_location"},
        ),
        "funding": TableSpec(
            "funding", ("id", "source"), dict(_COMMON), {"organization_id": "organization", "service_id": "service"}
        ),
        "program": TableSpec(
            "programs",
            ("id", "name", "alternate_name", "description"),
            dict(_COMMON),
            {"organization_id": "organization"},
            required=("name", "description"),
        ),
        "organization_identifier": TableSpec(
            "organization_identifiers",
            ("id", "identifier_scheme", "identifier_type", "identifier"),
            dict(_COMMON),
            {"organization_id": "organization"},
            required=("identifier_type", "identifier"),
        ),
        "url": TableSpec(
            "urls", ("id", "label", "url"), dict(_COMMON), {"organization_id": "organization", "service_id": "service"}
        ),
        "attribute": TableSpec("attributes", ("id", "label", "link_type", "value"), {"metadata": "metadata"}),
        "metadata": TableSpec(
            "metadata",
            (
                *("id", "last_action_date", "last_action_type", "field_name", "previous_value"),
                *("replacement_value", "updated_by"),
            ),
            required=(
                "last_action_date",
                "last_action_type",
                "field_name",
                "previous_value",
                "replacement_value",
                "updated_by",
            ),
        ),
    }
)

MAIN_TABLES = ("taxonomy_term", "organization", "location", "service", "service_at_location")
"""The tables that become records, in the order in which they are read."""

NUMBER_COLUMNS = frozenset(
    {
        *("year_incorporated", "latitude", "longitude", "minimum_age", "maximum_age", "extension"),
        *("timezone", "count", "interval", "amount"),
    }
)
"""Columns that contain numbers in the specification."""

STATUSES = ("active", "inactive", "defunct", "temporarily closed")
LOCATION_TYPES = ("physical", "postal", "virtual")
"""The types of locations and of addresses."""

_SPELLINGS = {
    **{name: name for name in TABLES},
    **{table.plural: name for name, table in TABLES.items()},
    "services_at_location": "service_at_location",
    "services_at_locations": "service_at_location",
    "fundings": "funding",
    "metadatas": "metadata",
    "accessibilities": "accessibility",
    # Names of versions 1 and 2, and of systems that write them.
    "physical_address": "address",
    "physical_addresses": "address",
    "postal_address": "address",
    "postal_addresses": "address",
    "mail_address": "address",
    "mail_addresses": "address",
    "accessibility_for_disabilities": "accessibility",
    "regular_schedule": "schedule",
    "regular_schedules": "schedule",
    "holiday_schedule": "schedule",
    "holiday_schedules": "schedule",
    "service_taxonomy": "attribute",
    "service_taxonomies": "attribute",
    "service_attribute": "attribute",
    "service_attributes": "attribute",
    "eligibility": "eligibility",
    "eligibilities": "eligibility",
}


def table_named(stem: str) -> str | None:
    """The table for a file name `organizations.csv` or a list name `organization`, in any spelling in use; None for none.

    `eligibility` is not a table of version 3; it is returned as itself, because its rows are folded into their services.
    """
    return _SPELLINGS.get(stem.strip().lower().replace("-", "_").replace(" ", "_").removesuffix(".csv"))
