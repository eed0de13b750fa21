"""The last look at a draft: whatever their flow says and the draft does not is named, with its words, in an item.

The readers leave parts out in many ways, and a way that forgets to say so would lose a text in silence. So what was read
is compared with what was made, by words, and no reader has to remember it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from bot.domain.flow_import.drafting import Drafting, TextOfTheirs
from bot.domain.flow_import.drafting_texts import templates
from bot.domain.flow_import.report import Fate

# Parentheses four deep: deeper ones only make an item that nobody needed, never a text that is lost.
_FILLED = re.compile(
    r"@\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\))*+\)|@[A-Za-z][\w.]*+"
    r"|\{\{(?:(?!\{\{|\}\}).)*+\}\}|\{%(?:(?!\{%|%\}).)*+%\}|\$\{[^{}]*+\}",
    re.DOTALL,
)
_MENU_MARK = re.compile(r"^(?:(?:press|reply|text|send|type) )?\d{1,2} (?:for )?")
_NOWHERE = "Nothing in the draft says this."
_WITH_ITS_PART = "Its text is left out with it."


def tell_left_texts(draft: Drafting, translations: Mapping[str, Mapping[str, str]]) -> None:
    """An item for each text of theirs that stands neither in the draft nor in an item.

    `translations`: language -> context -> text, as the PO files hold them.
    """
    whole = _joined(_made(draft, translations)) + _joined(item.how for item in draft.items)
    left = {(item.node, item.kind) for item in draft.items if item.fate is Fate.LEFT_OUT}
    for theirs in dict.fromkeys(draft.theirs):
        if not _stands_in(whole, theirs.text):
            draft.tell(theirs.node, theirs.kind, Fate.LEFT_OUT, _sentence(theirs, (theirs.node, theirs.kind) in left))


def _sentence(theirs: TextOfTheirs, is_left: bool) -> str:
    why = theirs.why or (_WITH_ITS_PART if is_left else _NOWHERE)
    language = f" in `{theirs.language[:20]}`" if theirs.language else ""
    return f"{why} There it says{language}: {theirs.text}"


def _made(draft: Drafting, translations: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What the draft says: first the texts in their order, as one that is too long is told in several steps."""
    steps = draft.steps.values()
    rows = [(f"{step.name}.{context}", holder[key]) for step in steps for context, holder, key in templates(step)]
    yield " ".join(text for _, text in rows)
    for texts in translations.values():
        yield " ".join(texts.get(context) or "" for context, _ in rows)
        yield from texts.values()
    for step in draft.steps.values():
        for choice in (step.data.get("choices") or {}).values():
            yield " ".join([choice["label"], *map(str, choice.get("words") or ())])


def _joined(texts: Iterator[str]) -> str:
    return "".join(f" {_words(text)} |" for text in texts)


def _words(text: str) -> str:
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(re.findall(r"\w+", shown.casefold()))


def _stands_in(whole: str, text: str) -> bool:
    lines = (line for piece in _FILLED.split(text) for line in piece.splitlines())
    return all(f" {said} " in whole or f" {_MENU_MARK.sub('', said)} " in whole for said in map(_words, lines) if said)
