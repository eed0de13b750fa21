"""A final check on a draft: every source text that the draft lacks is reported in an item, in full.

The readers leave parts out in many ways, and one that forgets to report it would lose a text silently. So what was read is
compared word by word with what was made, and no reader has to remember it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from bot.domain.flows.importing.drafting.draft import DraftBuilder, SourceText
from bot.domain.flows.importing.drafting.texts import template_texts
from bot.domain.flows.importing.report import ImportStatus

# Parentheses up to four deep: deeper ones only cause a superfluous item, never a lost text.
_PLACEHOLDER = re.compile(
    r"@\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\))*+\)|@[A-Za-z][\w.]*+"
    r"|\{\{(?:(?!\{\{|\}\}).)*+\}\}|\{%(?:(?!\{%|%\}).)*+%\}|\$\{[^{}]*+\}",
    re.DOTALL,
)
_MENU_MARK = re.compile(r"^(?:(?:press|reply|text|send|type) )?\d{1,2} (?:for )?")
_MISSING_REMARK = "Nothing in the draft says this."
_LEFT_OUT_REMARK = "Its text is left out with it."


def report_lost_texts(draft: DraftBuilder, translations: Mapping[str, Mapping[str, str]]) -> None:
    """Adds an item for each source text that appears neither in the draft nor in an item.

    `translations`: language -> context -> text, as in the PO files.
    """
    whole = _joined(_draft_texts(draft, translations)) + _joined(item.remark for item in draft.items)
    left = {(item.node, item.kind) for item in draft.items if item.status is ImportStatus.LEFT_OUT}
    for source_text in dict.fromkeys(draft.source_texts):
        if not _contains(whole, source_text.text):
            draft.report(
                source_text.node,
                source_text.kind,
                ImportStatus.LEFT_OUT,
                _remark(source_text, (source_text.node, source_text.kind) in left),
            )


def _remark(source_text: SourceText, is_left: bool) -> str:
    why = source_text.why or (_LEFT_OUT_REMARK if is_left else _MISSING_REMARK)
    language = f" in `{source_text.language[:20]}`" if source_text.language else ""
    return f"{why} There it says{language}: {source_text.text}"


def _draft_texts(draft: DraftBuilder, translations: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The texts of the draft; first all in order, because a text that is too long is spread over several steps."""
    steps = draft.steps.values()
    rows = [(f"{step.name}.{context}", holder[key]) for step in steps for context, holder, key in template_texts(step)]
    yield " ".join(text for _, text in rows)
    for texts in translations.values():
        yield " ".join(texts.get(context) or "" for context, _ in rows)
        yield from texts.values()
    for step in draft.steps.values():
        for choice in (step.data.get("choices") or {}).values():
            yield " ".join([choice["label"], *map(str, choice.get("words") or ())])


def _joined(texts: Iterator[str]) -> str:
    return "".join(f" {_normalized(text)} |" for text in texts)


def _normalized(text: str) -> str:
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(re.findall(r"\w+", shown.casefold()))


def _contains(whole: str, text: str) -> bool:
    lines = (line for piece in _PLACEHOLDER.split(text) for line in piece.splitlines())
    return all(f" {said} " in whole or f" {_MENU_MARK.sub('', said)} " in whole for said in map(_normalized, lines) if said)
