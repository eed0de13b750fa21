"""Texts to staff, read once from words/staff.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.domain.safety import SafetyRuleError, Urgency
from bot.domain.safety.lined_yaml import LinedNode, read_yaml
from bot.domain.safety.texts import check_braces, fill_in
from bot.paths import ROOT

FILE = "words/staff.yaml"


def _parse_keys(table: str) -> dict[str, frozenset[str]]:
    rows = (line.split() for line in table.strip().splitlines())
    return {key: frozenset(fields) for key, *fields in rows}


# Each text with the fields that its callers give; its words may use only these.
SMS_FIELDS = _parse_keys("""
    alert               handoff urgency team language
    alert_again         handoff urgency team language wait
    alert_phone_person  handoff urgency team language
    alert_offer         handoff urgency team language name
    alert_reminder      handoff minutes link
    alert_danger_again  handoff link
    alert_look          handoff urgency minutes name link
    quiet               handoff minutes link
    took_console        handoff link
    took_relay          handoff
    taken_by            handoff name
    gone                handoff
    passed              handoff
    nothing_open        link
    which_one           codes
    not_understood
    from_person_prefix  handoff
    not_delivered       handoff link
    relay_closed        link
    relay_not_sent      reason
    relay_too_long
    relay_media         link
    too_late            wait link
    outage
    close_how           codes
    open_link           handoff link
    staff_help
    staff_start         line
    stranger            line
    shift_ending        handoff minutes link
    shift_over          handoff
    released            handoff
    handed_back         handoff link
    closed              handoff
    transferred_to      handoff name
    offer_declined      handoff name
    offer_expired       handoff name
""")
EMAIL_FIELDS = _parse_keys("""
    email_alert         handoff urgency team language wait link
    email_reminder      handoff urgency minutes link
    email_look          handoff urgency minutes link name
    email_quiet         handoff urgency minutes link
    email_offer         handoff urgency team language link name
    email_danger_again  handoff link
    email_phone_person  handoff urgency team language wait link
    staff_stop          line link
    invitation          name link wait
    password_reset      name link wait
""")
VOICE_FIELDS = _parse_keys("""
    voice_alert         handoff urgency team language
    voice_took          handoff
    voice_taken_by      handoff name
    voice_passed        handoff
    voice_gone          handoff
    voice_nothing_open
    voice_wrong_key
""")
ALL_FIELDS = SMS_FIELDS | EMAIL_FIELDS | VOICE_FIELDS


@dataclass(frozen=True, slots=True)
class StaffTexts:
    """Every text to staff by its key; frozen, and shared by all threads."""

    texts: Mapping[str, str]
    segments: Mapping[str, int]
    """The most segments that each text of `SMS` may have."""
    urgency: Mapping[str, str]

    def text(self, key: str, **fields: str | int) -> str:
        """The text for `key`, filled in. An e-mail's first line is its subject, and a blank line follows it.

        Raises KeyError for an unknown key, and for a missing field of FIELDS[key] even if the words do not use it now: a
        later edit of the words must not break an alert.
        """
        missing = sorted(ALL_FIELDS[key] - fields.keys())
        if missing:
            raise KeyError(f"{key} needs {', '.join(missing)}")
        return fill_in(self.texts[key], fields)


@cache
def read_staff_texts(root: Path = ROOT) -> StaffTexts:
    """Read words/staff.yaml. Raises SafetyRuleError with file, line and problem, which prevents the start."""
    return parse_staff_texts((root / FILE).read_text("utf-8"))


def parse_staff_texts(yaml_text: str) -> StaffTexts:
    """Parse the YAML text. Raises SafetyRuleError where a key or an urgency is missing or unknown, a field is not given by
    callers, a budget is not a number or an e-mail has no subject."""
    top = read_yaml(yaml_text, FILE)
    fields = top.fields(("urgency", "sms", "email", "voice"))
    texts: dict[str, str] = {}
    segments: dict[str, int] = {}
    for key, place in _exact_fields(top.required(fields, "sms"), SMS_FIELDS).items():
        entry = place.fields(("segments", "say", "note"))
        said = place.required(entry, "say")
        check_braces(said, said.text(), SMS_FIELDS[key])
        texts[key], segments[key] = said.text(), _budget(place.required(entry, "segments"))
    for section, keys in (("email", EMAIL_FIELDS), ("voice", VOICE_FIELDS)):
        for key, place in _exact_fields(top.required(fields, section), keys).items():
            check_braces(place, place.text(), keys[key])
            texts[key] = place.text()
            if section == "email" and texts[key].split("\n")[1:2] != [""]:
                raise place.error(f"'{key}' has no subject.", "Write it on the first line, and leave the next one blank.")
    return StaffTexts(texts, segments, _read_words(top.required(fields, "urgency"), frozenset(Urgency)))


def _exact_fields(place: LinedNode, keys: Mapping[str, object] | frozenset[str]) -> dict[str, LinedNode]:
    """The fields of `place`, which must be exactly these."""
    found = place.fields(keys)
    missing = sorted(set(keys) - found.keys())
    if missing:
        raise SafetyRuleError(FILE, place.line, f"Missing: {', '.join(missing)}.", "Add them.")
    return found


def _read_words(place: LinedNode, keys: frozenset[str]) -> dict[str, str]:
    found = _exact_fields(place, keys)
    for word in found.values():
        check_braces(word, word.text(), ())
    return {key: word.text() for key, word in found.items()}


def _budget(place: LinedNode) -> int:
    if not place.text().isdecimal() or int(place.text()) < 1:
        raise place.error(f"'{place.text()}' is not a number of segments.", "Write 1 or more.")
    return int(place.text())
