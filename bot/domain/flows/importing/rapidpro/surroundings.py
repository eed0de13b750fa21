"""The other contents of an export: campaigns, triggers, groups. All are left out and reported."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flows.importing.drafting.draft import DraftBuilder, make_identifier
from bot.domain.flows.importing.rapidpro.goflow import is_language
from bot.domain.flows.importing.rapidpro.kinds import OTHER_PARTS
from bot.domain.flows.importing.rapidpro.model import FlowAction, SourceFlow, SourceNode, as_number, as_text, get_key
from bot.domain.flows.importing.report import ImportStatus

_UNITS = {"M": "minutes", "H": "hours", "D": "days", "W": "weeks"}
_TRIGGERS = {
    "K": "the word", "C": "any text that nothing else hears", "V": "a call", "M": "a missed call", "S": "a schedule",
    "N": "a new conversation", "R": "a referral",
}  # fmt: skip


def report_surroundings(
    data: Mapping[str, object], flows: Mapping[str, SourceFlow], drafts: Mapping[str, DraftBuilder]
) -> None:
    """Adds an item to the flow that a campaign or trigger names, or to the first one if it names none in the file."""
    for campaign in _rows(data.get("campaigns")):
        for event in _rows(get_key(campaign, "events")):
            _report_event(campaign, event, flows, drafts)
    for trigger in _rows(data.get("triggers")):
        target = get_key(trigger, "flow")
        kind, word = as_text(get_key(trigger, "trigger_type")), as_text(get_key(trigger, "keyword"))
        how = f"It is started by {_TRIGGERS.get(kind, f'a trigger of the kind `{kind[:10]}`')}"
        how += f" `{word[:60]}`." if word else "."
        name = as_text(get_key(target, "name")) or word or kind or "trigger"
        _target_draft(target, flows, drafts).report(
            name, "trigger", ImportStatus.LEFT_OUT, f"{how} {OTHER_PARTS['trigger'][1]}"
        )
    for key in ("groups", "fields", "labels", "channels", "topics", "resthooks", "llms", "users", "locations", "templates"):
        if names := [as_text(get_key(row, "name")) or as_text(get_key(row, "key")) for row in _rows(data.get(key))]:
            how = f"{len(names)} in the file, none is carried over: {', '.join(names)[:300]}."
            next(iter(drafts.values())).report(key, "groups", ImportStatus.LEFT_OUT, how)


def _report_event(
    campaign: object, event: object, flows: Mapping[str, SourceFlow], drafts: Mapping[str, DraftBuilder]
) -> None:
    target = get_key(event, "flow")
    offset, unit = int(as_number(get_key(event, "offset"))), _UNITS.get(as_text(get_key(event, "unit")), "days")
    relative = get_key(event, "relative_to")
    since = as_text(get_key(relative, "label")) or as_text(get_key(relative, "key")) or "a date"
    when = f"{abs(offset)} {unit} {'before' if offset < 0 else 'after'} `{since[:60]}`"
    draft = _target_draft(target, flows, drafts)
    if target is not None:
        named = as_text(get_key(target, "name"))[:80]
        ours = draft.name if _flow_key(target, flows) else make_identifier(named, "flow")
        how = f"It starts `{named}` {when}. "
        after = f"{max(abs(offset), 1)}{_unit_letter(unit)}"
        how += f"{OTHER_PARTS['campaign event'][1]} (`check_in: {{flow: {ours}, after: [{after}]}}`)"
    else:
        message = get_key(event, "message")
        text = next(iter(message.values()), "") if isinstance(message, dict) else message
        how = f"It sends a text {when}: `{as_text(text)[:300]}`. {OTHER_PARTS['campaign event'][1]}"
    draft.report(as_text(get_key(campaign, "name")) or "campaign", "campaign event", ImportStatus.LEFT_OUT, how)


def campaign_flows(data: Mapping[str, object]) -> list[SourceFlow]:
    """For a file with campaigns and no flow: each text that a campaign sends becomes a flow that says it."""
    made: list[SourceFlow] = []
    for campaign in _rows(data.get("campaigns")):
        for at, event in enumerate(_rows(get_key(campaign, "events"))):
            message = get_key(event, "message")
            texts = {as_text(code): as_text(text) for code, text in message.items()} if isinstance(message, dict) else {}
            texts = {code: text for code, text in texts.items() if text and is_language(code)}
            base = as_text(get_key(event, "base_language"))
            base = base if base in texts else next(iter(texts), "")
            if not texts:
                continue
            uuid = as_text(get_key(event, "uuid")) or f"{as_text(get_key(campaign, 'uuid'))}:{at}"
            action = FlowAction("send_msg", "message of a campaign", uuid, {"text": texts[base]})
            translations = {code: {uuid: {"text": (text,)}} for code, text in texts.items() if code != base}
            name = as_text(get_key(campaign, "name")) or "Campaign"
            node = SourceNode(uuid, (action,), None, None)
            made.append(SourceFlow(uuid, name, "messaging", base, uuid, {uuid: node}, translations))
    return made


def _unit_letter(unit: str) -> str:
    return unit[0]


def _flow_key(target: object, flows: Mapping[str, SourceFlow]) -> str | None:
    uuid, name = as_text(get_key(target, "uuid")), as_text(get_key(target, "name"))
    return next((key for key, flow in flows.items() if (uuid and flow.uuid == uuid) or (name and flow.name == name)), None)


def _target_draft(target: object, flows: Mapping[str, SourceFlow], drafts: Mapping[str, DraftBuilder]) -> DraftBuilder:
    return drafts[_flow_key(target, flows) or next(iter(drafts))]


def _rows(value: object) -> list[object]:
    return value if isinstance(value, list) else []
