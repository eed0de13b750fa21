"""Reading YAML so that each complaint names the file and the line a clinician must look at."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

# The C reader is ten times quicker; the pure one gives the same nodes where the C library is absent.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SafetyRuleError(ValueError):
    """A rules or texts file that cannot be used: where, what is wrong, and what to do about it."""

    def __init__(self, file: str, line: int, what: str, remedy: str) -> None:
        self.file, self.line, self.what, self.remedy = file, line, what, remedy
        super().__init__(f"{file}, line {line}: {what} {remedy}")


class Place:
    """One node of a YAML file that remembers its file and line.

    Scalars stay the text that was typed: a clinician who writes `no` means the word, never `false`.
    """

    def __init__(self, file: str, node: yaml.Node) -> None:
        self.file, self.node = file, node
        self.line = node.start_mark.line + 1

    def error(self, what: str, remedy: str) -> SafetyRuleError:
        """The complaint about this place, to be raised by the caller."""
        return SafetyRuleError(self.file, self.line, what, remedy)

    def text(self) -> str:
        """The scalar as typed, without blanks around it; refuses a list, a mapping and nothing at all."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.error("A word or a sentence is expected here.", "Write some text.")
        return str(self.node.value).strip()

    def items(self) -> list[Place]:
        """The entries of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("A list is expected here.", "Write each entry on its own line behind a dash.")
        return [Place(self.file, node) for node in self.node.value]

    def texts(self) -> list[tuple[Place, str]]:
        """The entries of a list of words or sentences, each with its place."""
        return [(place, place.text()) for place in self.items()]

    def fields(self, known: Iterable[str] | None = None) -> dict[str, Place]:
        """The fields of a mapping; a field twice, or one that is not in `known`, is refused."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("Fields are expected here.", "Write `name: value` lines.")
        found: dict[str, Place] = {}
        allowed = None if known is None else set(known)
        for key_node, value_node in self.node.value:
            key, value = Place(self.file, key_node), Place(self.file, value_node)
            name = key.text()
            if name in found:
                raise key.error(f"'{name}' is written twice.", "Keep one of the two.")
            if allowed is not None and name not in allowed:
                raise key.error(f"'{name}' is not known here.", f"Known are: {', '.join(sorted(allowed))}.")
            found[name] = value
        return found

    def need(self, fields: dict[str, Place], name: str) -> Place:
        """One field that must be there."""
        if name not in fields:
            raise self.error(f"'{name}' is missing.", f"Add a line `{name}: ...`.")
        return fields[name]


def read_yaml(text: str, file: str) -> Place:
    """The top of a YAML text; raises SafetyRuleError where it is not YAML or empty."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SafetyRuleError(
            file,
            line,
            f"This is not YAML: {error.problem}.",
            "Check dashes and quotes; a phrase that begins with a bracket like [ or < needs quotes around it.",
        ) from None
    except yaml.YAMLError:
        raise SafetyRuleError(file, 1, "This is not YAML.", "Remove unreadable characters.") from None
    if node is None:
        raise SafetyRuleError(file, 1, "The file is empty.", "Restore it from the last version.")
    return Place(file, node)


def check_review(top: Place, fields: dict[str, Place]) -> None:
    """Every file that speaks to or about people in danger carries who has signed it off, or `not yet`."""
    review = top.need(fields, "review")
    signed = review.fields()
    for who in ("clinician", "counsel"):
        review.need(signed, who).text()
