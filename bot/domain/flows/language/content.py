"""A flow as its source files: what is drafted, published, compared, and moved between the repository and Warmline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FlowContent:
    """The YAML source, the PO texts by language, and the conversation tests by name (`en/food`).

    A test belongs to the flow named in its head, or to the menu flow where it names none.
    """

    source: str
    translations: Mapping[str, str] = field(default_factory=dict)
    transcripts: Mapping[str, str] = field(default_factory=dict)
