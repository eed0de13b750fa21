"""Caches that are shared by all tests of a process, for what Warmline otherwise computes once per start.

Every test starts Warmline again. Each cached value depends on nothing but its key: a compiled template on its text, a
route on its rule, a compiled flow on its version with all of its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from unittest import mock

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from bot import runtime
from bot.domain.flows.language.flow import Flow
from bot.operations.settings.settings import Settings
from bot.storage.flows.flows import StoredFlow


@contextmanager
def shared_caches() -> Iterator[None]:
    """Share the caches while this block runs."""
    with (
        mock.patch.object(Flask, "jinja_options", {"bytecode_cache": _Templates()}),
        mock.patch.object(Rule, "_compile_builder", _routes(Rule._compile_builder)),
        mock.patch.object(runtime, "compile_flow", _flows(runtime.compile_flow)),
    ):
        yield


class _Templates(BytecodeCache):
    """Compiled templates, keyed by name and checksum of their text."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


def _routes(build: Callable[[Rule, bool], Any]) -> Callable[[Rule, bool], Any]:
    known: dict[tuple[object, ...], Any] = {}

    def built(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.subdomain, rule.host, tuple((rule.defaults or {}).items()), append_unknown)
        if key not in known:
            known[key] = build(rule, append_unknown)
        return known[key]

    return built


def _flows(build: Callable[[StoredFlow, Settings], Flow]) -> Callable[[StoredFlow, Settings], Flow]:
    known: dict[tuple[object, ...], Flow] = {}

    def built(stored: StoredFlow, settings: Settings) -> Flow:
        texts = tuple(sorted(stored.translations.items()))
        key = (stored.version, stored.name, stored.source, texts, settings.timezone.key, settings.line_name)
        if key not in known:
            known[key] = build(stored, settings)
        return known[key]

    return built
