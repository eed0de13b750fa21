"""All that one flow is made of, as texts: what is drafted, published, compared, and moved between repository and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FlowContent:
    """The YAML source, the PO texts by language, and the conversation tests by name (`en/food`).

    A test belongs to the flow that its head names, and to the menu flow where it names none.
    """

    source: str
    translations: Mapping[str, str] = field(default_factory=dict)
    transcripts: Mapping[str, str] = field(default_factory=dict)
