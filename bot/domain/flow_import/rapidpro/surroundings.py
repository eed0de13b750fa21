"""What stands around the flows in an export: campaigns, triggers, groups. All of it is left out, and told of."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flow_import.drafting import Drafting, fit_name
from bot.domain.flow_import.rapidpro.goflow import is_language
from bot.domain.flow_import.rapidpro.kinds import OTHERS
from bot.domain.flow_import.rapidpro.model import Action, Node, Source, number, part, words
from bot.domain.flow_import.report import Fate

_UNITS = {"M": "minutes", "H": "hours", "D": "days", "W": "weeks"}
_TRIGGERS = {
    "K": "the word", "C": "any text that nothing else hears", "V": "a call", "M": "a missed call", "S": "a schedule",
    "N": "a new conversation", "R": "a referral",
}  # fmt: skip


def tell_surroundings(data: Mapping[str, object], flows: Mapping[str, Source], drafts: Mapping[str, Drafting]) -> None:
    """An item on the flow that a campaign or trigger names, or on the first one where it names none of the file."""
    for campaign in _rows(data.get("campaigns")):
        for event in _rows(part(campaign, "events")):
            _tell_event(campaign, event, flows, drafts)
    for trigger in _rows(data.get("triggers")):
        target = part(trigger, "flow")
        kind, word = words(part(trigger, "trigger_type")), words(part(trigger, "keyword"))
        how = f"It is started by {_TRIGGERS.get(kind, f'a trigger of the kind `{kind[:10]}`')}"
        how += f" `{word[:60]}`." if word else "."
        name = words(part(target, "name")) or word or kind or "trigger"
        _draft(target, flows, drafts).tell(name, "trigger", Fate.LEFT_OUT, f"{how} {OTHERS['trigger'][1]}")
    for key in ("groups", "fields", "labels", "channels", "topics", "resthooks", "llms", "users", "locations", "templates"):
        if names := [words(part(row, "name")) or words(part(row, "key")) for row in _rows(data.get(key))]:
            how = f"{len(names)} in the file, none is carried over: {', '.join(names)[:300]}."
            next(iter(drafts.values())).tell(key, "groups", Fate.LEFT_OUT, how)


def _tell_event(campaign: object, event: object, flows: Mapping[str, Source], drafts: Mapping[str, Drafting]) -> None:
    target = part(event, "flow")
    offset, unit = int(number(part(event, "offset"))), _UNITS.get(words(part(event, "unit")), "days")
    relative = part(event, "relative_to")
    since = words(part(relative, "label")) or words(part(relative, "key")) or "a date"
    when = f"{abs(offset)} {unit} {'before' if offset < 0 else 'after'} `{since[:60]}`"
    draft = _draft(target, flows, drafts)
    if target is not None:
        named = words(part(target, "name"))[:80]
        ours = draft.name if _key(target, flows) else fit_name(named, "flow")
        how = f"It starts `{named}` {when}. "
        how += f"{OTHERS['campaign event'][1]} (`check_in: {{flow: {ours}, after: [{max(abs(offset), 1)}{_letter(unit)}]}}`)"
    else:
        message = part(event, "message")
        text = next(iter(message.values()), "") if isinstance(message, dict) else message
        how = f"It sends a text {when}: `{words(text)[:300]}`. {OTHERS['campaign event'][1]}"
    draft.tell(words(part(campaign, "name")) or "campaign", "campaign event", Fate.LEFT_OUT, how)


def campaign_flows(data: Mapping[str, object]) -> list[Source]:
    """For a file that holds campaigns and no flow: each text that a campaign sends, as a flow that says it."""
    made: list[Source] = []
    for campaign in _rows(data.get("campaigns")):
        for at, event in enumerate(_rows(part(campaign, "events"))):
            message = part(event, "message")
            texts = {words(code): words(text) for code, text in message.items()} if isinstance(message, dict) else {}
            texts = {code: text for code, text in texts.items() if text and is_language(code)}
            base = words(part(event, "base_language"))
            base = base if base in texts else next(iter(texts), "")
            if not texts:
                continue
            uuid = words(part(event, "uuid")) or f"{words(part(campaign, 'uuid'))}:{at}"
            action = Action("send_msg", "message of a campaign", uuid, {"text": texts[base]})
            said = {code: {uuid: {"text": (text,)}} for code, text in texts.items() if code != base}
            name = words(part(campaign, "name")) or "Campaign"
            node = Node(uuid, (action,), None, None)
            made.append(Source(uuid, name, "messaging", base, uuid, {uuid: node}, said))
    return made


def _letter(unit: str) -> str:
    return unit[0]


def _key(target: object, flows: Mapping[str, Source]) -> str | None:
    uuid, name = words(part(target, "uuid")), words(part(target, "name"))
    return next((key for key, flow in flows.items() if (uuid and flow.uuid == uuid) or (name and flow.name == name)), None)


def _draft(target: object, flows: Mapping[str, Source], drafts: Mapping[str, Drafting]) -> Drafting:
    return drafts[_key(target, flows) or next(iter(drafts))]


def _rows(value: object) -> list[object]:
    return value if isinstance(value, list) else []
