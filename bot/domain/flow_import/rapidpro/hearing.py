"""All that a flow of theirs says to anybody, in each language, so that the finished draft can be compared with it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.flow_import.drafting import Drafting
from bot.domain.flow_import.rapidpro.model import Action, Source, part, words

_FOR_COMPUTERS = frozenset({"call_webhook", "call_resthook", "call_classifier", "transfer_airtime"})
_SAID = ("text", "subject", "body", "note", "instructions")
_TRANSLATED = (*_SAID, "quick_replies", "name", "arguments", "test")
_OF_A_BUTTON = "It translates a button, and there are none here: translate the label of the choice."
_OF_ITS_OWN = "It is a translation into the language that the flow is written in, which their product does not say."
_OF_NOTHING = "It translates a part that is not in the flow."


def hear(draft: Drafting, source: Source) -> None:
    """Notes every text of the flow, and every translation, also those of parts that are no longer there."""
    places = dict(_places(source))
    for node in source.nodes.values():
        for action in node.actions:
            for text in _said(action):
                draft.heard(node.uuid, action.theirs, text)
    for language, parts in source.words.items():
        own = _OF_ITS_OWN if language == source.language else ""
        for uuid, fields in parts.items():
            # The texts of buttons in the older shape have the identifier of their action with a number behind it.
            found = places.get(uuid) or places.get(uuid.rpartition(":")[0])
            node_uuid, kind = found or (uuid, "translations")
            for key in _TRANSLATED:
                why = own or (_OF_A_BUTTON if key == "quick_replies" else "") if found else _OF_NOTHING
                for text in fields.get(key, ()):
                    draft.heard(node_uuid, kind, text, language, why)


def _places(source: Source) -> Iterator[tuple[str, tuple[str, str]]]:
    """Identifier of a part -> its node, and its kind."""
    for node in source.nodes.values():
        yield from ((action.uuid, (node.uuid, action.theirs)) for action in node.actions if action.uuid)
        if node.router is not None:
            yield from ((category.uuid, (node.uuid, node.router.theirs)) for category in node.router.categories)
            yield from ((case.uuid, (node.uuid, case.kind)) for case in node.router.cases if case.uuid)


def _said(action: Action) -> Iterator[str]:
    if action.kind in _FOR_COMPUTERS:
        return
    yield from (words(action.data.get(key)) for key in _SAID)
    given = action.data.get("quick_replies")
    yield from (words(one) or words(part(one, "text")) for one in (given if isinstance(given, list) else ()))
