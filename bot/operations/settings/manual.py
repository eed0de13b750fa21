"""Text for operators: the settings in force, and the settings page of the manual."""

from __future__ import annotations

from bot.operations.settings.settings import Settings, Variable, fields

_PAGE_HEAD = """# Settings

Warmline reads its settings from the environment, once, when it starts. A setting that is missing or wrong
stops the start with the variable's name and an example. An empty variable counts as one that is not set.
`warmline settings` prints the settings in force, without the secrets. This page is printed by
`warmline settings --page`.

| Variable | Default | What it does | Example |
|---|---|---|---|"""


def describe(settings: Settings) -> str:
    """The settings in force, one per line, for `warmline settings`. A secret is shown only as set."""
    lines = []
    for name, variable in fields():
        value = getattr(settings, name)
        if isinstance(value, tuple):
            value = ",".join(value)
        shown = "" if value is None else str(value)
        lines.append(f"{variable.name}={'(set)' if variable.secret and shown else shown}")
    return "\n".join(lines)


def operators_page() -> str:
    """The operators' page docs/operators/settings.md, generated from the fields so that it stays correct."""
    return "\n".join((_PAGE_HEAD, *(_row(variable) for _, variable in fields()), ""))


def _row(variable: Variable) -> str:
    # A pipe ends a Markdown table cell, even inside code.
    example = variable.example.replace("|", "\\|")
    return f"| `{variable.name}` | {_default(variable)} | {variable.help} | `{example}` |"


def _default(variable: Variable) -> str:
    if variable.default is not None:
        return f"`{variable.default}`"
    return variable.default_note or "not set"
