"""Reading YAML so that each error names the file and the line that a clinician must look at."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

# The C loader is ten times faster; the pure one gives the same nodes where the C library is absent.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SafetyRuleError(ValueError):
    """A rules or texts file that cannot be used: where, what is wrong, and the remedy."""

    def __init__(self, file: str, line: int, what: str, remedy: str) -> None:
        self.file, self.line, self.what, self.remedy = file, line, what, remedy
        super().__init__(f"{file}, line {line}: {what} {remedy}")


class LinedNode:
    """One node of a YAML file, with its file and line.

    Scalars stay the text as typed: a clinician who writes `no` means the word, never `false`.
    """

    def __init__(self, file: str, node: yaml.Node) -> None:
        self.file, self.node = file, node
        self.line = node.start_mark.line + 1

    def error(self, what: str, remedy: str) -> SafetyRuleError:
        """An error about this node, to be raised by the caller."""
        return SafetyRuleError(self.file, self.line, what, remedy)

    def text(self) -> str:
        """The scalar as typed, stripped. Raises SafetyRuleError for a list, a mapping and an empty value."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            raise self.error("A word or a sentence is expected here.", "Write some text.")
        return str(self.node.value).strip()

    def items(self) -> list[LinedNode]:
        """The entries of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("A list is expected here.", "Write each entry on its own line behind a dash.")
        return [LinedNode(self.file, node) for node in self.node.value]

    def texts(self) -> list[tuple[LinedNode, str]]:
        """The entries of a list of words or sentences, each with its node."""
        return [(place, place.text()) for place in self.items()]

    def fields(self, known: Iterable[str] | None = None) -> dict[str, LinedNode]:
        """The fields of a mapping. Raises SafetyRuleError for a duplicate field, or one that is not in `known`."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("Fields are expected here.", "Write `name: value` lines.")
        found: dict[str, LinedNode] = {}
        allowed = None if known is None else set(known)
        for key_node, value_node in self.node.value:
            key, value = LinedNode(self.file, key_node), LinedNode(self.file, value_node)
            name = key.text()
            if name in found:
                raise key.error(f"'{name}' is written twice.", "Keep one of the two.")
            if allowed is not None and name not in allowed:
                raise key.error(f"'{name}' is not known here.", f"Known are: {', '.join(sorted(allowed))}.")
            found[name] = value
        return found

    def required(self, fields: dict[str, LinedNode], name: str) -> LinedNode:
        """A required field. Raises SafetyRuleError where it is missing."""
        if name not in fields:
            raise self.error(f"'{name}' is missing.", f"Add a line `{name}: ...`.")
        return fields[name]


def read_yaml(text: str, file: str) -> LinedNode:
    """The root node of a YAML text. Raises SafetyRuleError where it is not YAML or empty."""
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
    return LinedNode(file, node)


def check_review(top: LinedNode, fields: dict[str, LinedNode]) -> None:
    """Check that the file says who has signed it off, or `not yet`: required of every file about or for people in danger."""
    review = top.required(fields, "review")
    signed = review.fields()
    for who in ("clinician", "counsel"):
        review.required(signed, who).text()
