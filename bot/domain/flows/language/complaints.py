"""Validation errors of the flow models in words for an admin: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from bot.domain.flows.language.script import Model
from bot.domain.flows.language.yaml_source import YamlPath
from bot.domain.suggestion import nearest


def explain_error(error: ErrorDetails, path: YamlPath, model: type[Model]) -> tuple[str, str]:
    """(what, remedy) for one error at this path."""
    field = next((str(part) for part in reversed(path) if isinstance(part, str)), "file")
    context: Mapping[str, Any] = error.get("ctx") or {}
    value = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            known = _fields_at(model, error["loc"])
            near = nearest(field, known)
            hint = f"Did you mean `{near}`?" if near else f"Known here: {', '.join(known)}." if known else "Take it out."
            return f"`{field}` is not known here.", hint
        case "missing":
            return f"`{field}` is missing.", "Add it."
        case "string_pattern_mismatch":
            return (
                f"`{value}` can't be a name.",
                "Use small letters, digits and _, beginning with a letter, at most 40 of them.",
            )
        case "enum" | "literal_error":
            choices = [part.strip("' ") for part in str(context.get("expected", "")).replace(" or ", ",").split(",")]
            near = nearest(str(value), choices)
            start = f"Did you mean `{near}`? " if near else ""
            return f"`{field}` can't be `{value}`.", f"{start}It is one of: {', '.join(choices)}."
        case "value_error":
            return f"`{field}` is not right: {context.get('error', error['msg'])}.", f"It says `{value}`."
    return _explain_size_or_type(error, field, context, value)


def _explain_size_or_type(error: ErrorDetails, field: str, context: Mapping[str, Any], value: object) -> tuple[str, str]:
    limit = next((context[key] for key in ("max_length", "min_length", "le", "ge") if key in context), "")
    match error["type"]:
        case "string_too_short" | "too_short":
            return f"`{field}` is empty.", "Write something, or take it out."
        case "string_too_long" | "too_long":
            return f"`{field}` is too long.", f"Keep it to {limit}."
        case "less_than_equal" | "greater_than_equal":
            word = "at most" if error["type"].startswith("less") else "at least"
            return f"`{field}` is {value}.", f"It must be {word} {limit}."
        case "int_parsing" | "int_type" | "int_from_float":
            return f"`{field}` should be a whole number.", f"It says `{value}`."
        case "bool_parsing" | "bool_type":
            return f"`{field}` should be `true` or `false`.", f"It says `{value}`."
        case "string_type":
            empty = value is None
            return (
                f"`{field}` is empty." if empty else f"`{field}` should be a text.",
                "Write something, or take it out." if empty else "Put it in quotes, without a list or a block.",
            )
        case "tuple_type" | "list_type":
            return (
                f"`{field}` should be a list.",
                "Write it in [ ], separated by commas, or each behind a dash.",
            )
        case "dict_type" | "model_type" | "model_attributes_type" | "mapping_type":
            return (
                f"`{field}` should be a block of `name: value` lines.",
                "Indent them below it, or write { }.",
            )
    return f"`{field}` is not right: {error['msg']}.", "Compare it with the guide to the flow language."


def _fields_at(model: type[Model], loc: tuple[int | str, ...]) -> list[str]:
    """The fields that are allowed where an unknown one was found."""
    here: Any = model
    for part in loc[:-1]:
        if isinstance(part, int) or not (isinstance(here, type) and issubclass(here, Model)):
            continue
        field = here.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        here = inner or here
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, Model) else []


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if found := _model_in(part):
            return found
    return None
