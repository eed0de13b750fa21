"""Converts Liquid, the templates of Twilio Studio, where they only insert an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flows.importing.drafting.draft import escape_template_marks

_TOKEN = re.compile(r"(\{\{(?:(?!\{\{|\}\}).)*+\}\}|\{%(?:(?!\{%|%\}).)*+%\}|\$\{[^{}]*+\})", re.DOTALL)
_REPLY = re.compile(r"widgets\.([^.|\[\]\s]+)\.(?:inbound\.Body|Digits|SpeechResult)$", re.IGNORECASE)
_VARIABLE = re.compile(r"flow\.(?:variables|data)\.([^.|\[\]\s]+)$")
_FILTERS = {"upcase": "upper", "downcase": "lower", "capitalize": "capitalize", "strip": "trim"}


@dataclass(slots=True)
class TextConverter:
    """Converts texts. `answers`: widget -> the name of its answer; `variables`: name -> the text to insert for it."""

    answers: Mapping[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    def convert(self, source: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The converted text, the Liquid that could not be converted, and `${...}` placeholders of the tool that made the
        file.
        """
        made: list[str] = []
        lost: list[str] = []
        holes: list[str] = []
        for part in _TOKEN.split(source):
            if part.startswith("${"):
                holes.append(part[2:-1].strip())
                made.append(f"[{escape_template_marks(part[2:-1].strip())}]")
            elif part.startswith("{{") and part.endswith("}}"):
                filled = self.convert_placeholder(part)
                lost += [] if filled is not None else [part[2:-2].strip()]
                made.append(f"[{escape_template_marks(part[2:-2].strip())}]" if filled is None else filled)
            elif part.startswith("{%") and part.endswith("%}"):
                lost.append(part)
                made.append(f"[{part[2:-2].strip()}]")
            else:
                made.append(escape_template_marks(part))
        return "".join(made), tuple(dict.fromkeys(lost)), tuple(dict.fromkeys(holes))

    def convert_placeholder(self, part: str) -> str | None:
        """The converted text for one `{{ ... }}`, or None."""
        path, *filters = (piece.strip() for piece in part[2:-2].split("|"))
        if (variable := _VARIABLE.match(path)) and not filters:
            return self.variables.get(variable[1])
        name = self.answer_name(path)
        if name is None or not all(one in _FILTERS for one in filters):
            return None
        return "{{ " + "|".join([name, *(_FILTERS[one] for one in filters)]) + " }}"

    def answer_name(self, path: str) -> str | None:
        """The name of the answer that this source path refers to, or None: `widgets.ask_zip.inbound.Body`."""
        path = path.strip().removeprefix("{{").removesuffix("}}").strip()
        if found := _REPLY.match(path):
            return self.answers.get(found[1])
        if found := _VARIABLE.match(path):
            simple = re.fullmatch(r"\{\{ ([a-z][a-z0-9_]*) \}\}", self.variables.get(found[1], ""))
            return simple[1] if simple else None
        return None


def replied_widget(path: str) -> str | None:
    """The widget whose reply this path refers to, or None."""
    found = _REPLY.match(path.strip().removeprefix("{{").removesuffix("}}").strip())
    return found[1] if found else None
