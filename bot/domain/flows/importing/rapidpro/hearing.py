"""Collects every text of a source flow, in each language, for comparison with the finished draft."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.flows.importing.drafting.draft import DraftBuilder
from bot.domain.flows.importing.rapidpro.model import FlowAction, SourceFlow, as_text, get_key

_FOR_COMPUTERS = frozenset({"call_webhook", "call_resthook", "call_classifier", "transfer_airtime"})
_TEXT_KEYS = ("text", "subject", "body", "note", "instructions")
_TRANSLATED_KEYS = (*_TEXT_KEYS, "quick_replies", "name", "arguments", "test")
_BUTTON_REMARK = "It translates a button, and there are none here: translate the label of the choice."
_OWN_LANGUAGE_REMARK = "It is a translation into the language that the flow is written in, which their product does not say."
_MISSING_PART_REMARK = "It translates a part that is not in the flow."


def record_source_texts(draft: DraftBuilder, source: SourceFlow) -> None:
    """Records every text of the flow and every translation, including those of parts that no longer exist."""
    places = dict(_places(source))
    for node in source.nodes.values():
        for action in node.actions:
            for text in _action_texts(action):
                draft.record_source_text(node.uuid, action.source_kind, text)
    for language, parts in source.translations.items():
        own = _OWN_LANGUAGE_REMARK if language == source.language else ""
        for uuid, fields in parts.items():
            # Button texts in the older format have the identifier of their action followed by a number.
            found = places.get(uuid) or places.get(uuid.rpartition(":")[0])
            node_uuid, kind = found or (uuid, "translations")
            for key in _TRANSLATED_KEYS:
                why = own or (_BUTTON_REMARK if key == "quick_replies" else "") if found else _MISSING_PART_REMARK
                for text in fields.get(key, ()):
                    draft.record_source_text(node_uuid, kind, text, language, why)


def _places(source: SourceFlow) -> Iterator[tuple[str, tuple[str, str]]]:
    """Identifier of a part -> its node, and its kind."""
    for node in source.nodes.values():
        yield from ((action.uuid, (node.uuid, action.source_kind)) for action in node.actions if action.uuid)
        if node.router is not None:
            yield from ((category.uuid, (node.uuid, node.router.source_kind)) for category in node.router.categories)
            yield from ((case.uuid, (node.uuid, case.kind)) for case in node.router.cases if case.uuid)


def _action_texts(action: FlowAction) -> Iterator[str]:
    if action.kind in _FOR_COMPUTERS:
        return
    yield from (as_text(action.data.get(key)) for key in _TEXT_KEYS)
    given = action.data.get("quick_replies")
    yield from (as_text(one) or as_text(get_key(one, "text")) for one in (given if isinstance(given, list) else ()))
