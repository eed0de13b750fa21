"""A flow's words in its languages: what is translated, changed in place, and moved as files to translators and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flow_words import LANGUAGE, Merged
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.permissions import Permission
from bot.usecases.studio import translate_flow
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere, Unfit
from bot.usecases.studio.translate_flow import Key, Only, Unpacked
from bot.web import forms
from bot.web.console import access, wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.frame import Opened

words = Blueprint("words", __name__, url_prefix="/console")

FILTERS = {
    Only.OPEN: "Missing or stale",
    Only.MISSING: "Missing",
    Only.STALE: "Stale",
    Only.ALL: "All texts",
}
_COMMON = ("es", "vi", "bs", "zh", "ar", "fa", "fr", "ps", "so", "sw", "uk")
"""Spoken in the city; any other language has a code as well."""
_FIELD = re.compile(rf"text\.({LANGUAGE.pattern})\.(.+)")


@words.get("/flows/<string:flow>/words")
@needs(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """The coverage, and a page of the texts side by side."""
    return _show(flow)


@words.post("/flows/<string:flow>/words")
@needs(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Keep the texts that were changed in the form, and nothing else."""
    open_ = runtime()
    now = open_.clock.now()
    # Only what was changed stands in the boxes again: the rest may have been changed by somebody else.
    changed = _posted()
    try:
        with open_.database.transaction() as db:
            before = translate_flow.content_at(db, flow, frame.seen())
            if before is None:
                return frame.not_there()
            changed = translate_flow.touched(flow, before, changed, _right())
            if changed:
                revision = translate_flow.change_texts(db, flow, frame.seen(), changed, frame.author(), now)
                access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except ChangedMeanwhile as meanwhile:
        return _show(flow, typed=changed, problem=_meanwhile(meanwhile), status=409)
    except (Unfit, FlowError) as refused:
        return _show(flow, typed=changed, problem=_first(refused), status=422)
    except NotThere:
        return frame.not_there()
    flash(_saved(len(changed)), "good")
    return redirect(_back(flow), 303)


def _saved(count: int) -> str:
    if not count:
        return "Nothing was changed."
    return f"Saved in the draft: {count} {'text' if count == 1 else 'texts'}."


def _meanwhile(meanwhile: ChangedMeanwhile) -> str:
    theirs = meanwhile.theirs
    # A draft that began only now, with what was published, is nobody's change.
    is_published = theirs.parent_id is None and theirs.undone_id is None
    who = "A version was published meanwhile that changed" if is_published else f"{theirs.by} changed"
    when = "" if is_published else f" meanwhile ({theirs.what})"
    return (
        f"{who} one of these texts{when}, so nothing was saved. What you typed stands "
        "below, beside the source as it is now. Look it through, and save again."
    )


def _posted() -> dict[Key, str]:
    """What the form holds: (language, context) -> text."""
    found = {}
    for name in request.form:
        matched = _FIELD.fullmatch(name)
        if matched:
            found[matched[1], matched[2]] = forms.words(name)
    return found


def _right() -> Key | None:
    """The stale text whose button "still right" was pressed."""
    language, _, context = forms.field("right").partition(" ")
    return (language, context) if context else None


def _back(flow: str) -> str:
    """The page from which the form came, with its filter."""
    asked = forms.field("query")
    # Our own address with our own fields: what stands in the form is never followed as it is.
    return f"/console/flows/{flow}/words{_query(**_asked(asked))}"


def _asked(query: str) -> dict[str, Any]:
    fields = [part.partition("=") for part in query.lstrip("?").split("&")]
    show = [value for name, _, value in fields if name == "show" and LANGUAGE.fullmatch(value)]
    only = next((value for name, _, value in fields if name == "only" and value in set(Only)), "")
    page = next((value for name, _, value in fields if name == "page" and value.isascii() and value.isdecimal()), "")
    return {"show": show, "only": only, "page": page[:4]}


def _query(show: list[str] | tuple[str, ...] = (), only: str = "", page: str | int = "") -> str:
    pairs = [*(("show", language) for language in show), *((("only", only),) if only else ())]
    pairs += [("page", str(page))] if page else []
    return f"?{urlencode(pairs)}" if pairs else ""


@words.post("/flows/<string:flow>/words/languages")
@needs(Permission.EDIT_FLOWS)
def add_language(flow: str) -> ResponseReturnValue:
    """Begin a translation."""
    open_ = runtime()
    now, language = open_.clock.now(), forms.words("language").replace("-", "_")
    try:
        with open_.database.transaction() as db:
            revision = translate_flow.add_language(db, flow, frame.seen(), language, frame.author(), now)
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except ChangedMeanwhile:
        return _show(flow, problem="It was added meanwhile. Nothing was changed.", status=409)
    except (Unfit, FlowError) as refused:
        return _show(flow, problem=_first(refused), status=422)
    except NotThere:
        return frame.not_there()
    flash(f"{wording.language(language)} was added. All of its texts are missing yet.", "good")
    return redirect(f"/console/flows/{flow}/words{_query([language], Only.OPEN)}", 303)


@words.get("/flows/<string:flow>/words/<string:language>.po")
@needs(Permission.SEE_FLOWS)
def export(flow: str, language: str) -> ResponseReturnValue:
    """The file for a translator."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
    if opened is None:
        return frame.not_there()
    try:
        text = translate_flow.exported(flow, opened.content, opened.number, language)
    except (Unfit, FlowError) as refused:
        return _show(flow, problem=_first(refused), status=422)
    return _attached(text.encode("utf-8"), f"{flow}.{language}.po", "text/x-gettext-translation; charset=utf-8")


def _attached(raw: bytes, name: str, kind: str) -> Response:
    response = make_response(raw)
    response.headers["Content-Type"] = kind
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@words.post("/flows/<string:flow>/words/<string:language>.po")
@needs(Permission.EDIT_FLOWS)
def bring_in(flow: str, language: str) -> ResponseReturnValue:
    """Take in a translator's file, and say what came of each of its texts that could not be taken."""
    open_ = runtime()
    now = open_.clock.now()
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _show(flow, problem="Choose the translator's file first, then press Import.", status=422)
    name = _plain_name(sent.filename)
    try:
        with open_.database.transaction() as db:
            if frame.opened(db, flow) is None:
                return frame.not_there()
            merged, revision = translate_flow.bring_in(db, flow, language, sent.read(), name, frame.author(), now)
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
            opened = frame.opened(db, flow)
    except (Unfit, FlowError) as refused:
        return _show(flow, problem=f"{_first(refused)} Nothing was taken in.".replace(*_TWICE), status=422)
    except NotThere:
        return frame.not_there()
    assert opened is not None
    return frame.page(
        "studio/words_import.html", opened, "words", merged=merged, file=name, code=language, language=wording.language
    )


_TWICE = ("Nothing was taken in. Nothing was taken in.", "Nothing was taken in.")


def _plain_name(name: str) -> str:
    """The name of a file that was sent, as it can be shown."""
    return re.sub(r"[^\w. -]", "", re.split(r"[/\\]", name)[-1])[:80] or "translation.po"


def _first(refused: Unfit | FlowError) -> str:
    """What is wrong, in one sentence with its place."""
    return str(refused.problems[0]) if isinstance(refused, FlowError) else str(refused)


def _show(flow: str, *, typed: Mapping[Key, str] | None = None, problem: str = "", status: int = 200) -> Response:
    """The page; `typed` stands in the boxes in place of what is kept."""
    open_ = runtime()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
    if opened is None:
        return frame.not_there()
    languages = translate_flow.languages_of(opened.content, open_.settings.languages)
    asked = _asked(request.query_string.decode("ascii", "ignore") or forms.field("query"))
    shown = [language for language in languages if language in asked["show"]] or list(languages[:1])
    only = Only(asked["only"]) if asked["only"] else Only.ALL
    try:
        sheet = translate_flow.read_sheet(
            flow, opened.content, languages, shown, only, int(asked["page"] or 1), open_.settings.line_name
        )
    except FlowError as error:
        return _unreadable(opened, error.problems, problem, status)
    body = frame.page(
        "studio/words.html",
        opened,
        "words",
        sheet=sheet,
        shown=shown,
        only=only,
        filters=FILTERS,
        languages=languages,
        spoken=open_.settings.languages,
        more=[code for code in _COMMON if code not in languages],
        typed=typed or {},
        problem=problem,
        query=_query(shown, only, sheet.page),
        link=lambda **other: _query(**{"show": shown, "only": only, **other}),
        language=wording.language,
    )
    return make_response(body, status)


def _unreadable(opened: Opened, problems: tuple[Problem, ...], problem: str, status: int) -> Response:
    body = frame.page("studio/words_unreadable.html", opened, "words", problems=problems, problem=problem)
    return make_response(body, status)


# All flows at once.


@words.get("/flows/words")
@needs(Permission.SEE_FLOWS)
def everything() -> ResponseReturnValue:
    """How much of every flow each language has."""
    return _everything()


def _everything(problem: str = "", taken: list[tuple[str, str, Merged | str]] | None = None, status: int = 200) -> Response:
    open_ = runtime()
    with open_.database.transaction() as db:
        contents = translate_flow.with_drafts(db)
    languages = tuple(
        dict.fromkeys(
            one for content, _ in contents.values() for one in translate_flow.languages_of(content, open_.settings.languages)
        )
    )
    rows = []
    for name, (content, _) in sorted(contents.items()):
        try:
            rows.append((name, frame.title_of(content, name), translate_flow.coverages(name, content, languages)))
        except FlowError:
            rows.append((name, frame.title_of(content, name), ()))
    body = render_template(
        "studio/words_all.html",
        here="flows",
        rows=rows,
        languages=languages,
        language=wording.language,
        problem=problem,
        taken=taken or [],
        may_edit=me().may(Permission.EDIT_FLOWS),
    )
    return make_response(body, status)


@words.get("/flows/words/<string:language>.zip")
@needs(Permission.SEE_FLOWS)
def export_all(language: str) -> ResponseReturnValue:
    """Every flow's file of a language, in one zip."""
    with runtime().database.transaction() as db:
        contents = translate_flow.with_drafts(db)
    try:
        raw, _left = translate_flow.zipped(contents, language)
    except Unfit as unfit:
        return _everything(str(unfit), status=422)
    return _attached(raw, f"flows.{language}.zip", "application/zip")


@words.post("/flows/words")
@needs(Permission.EDIT_FLOWS)
def bring_in_all() -> ResponseReturnValue:
    """Take in a zip of translators' files: each for itself, so that a broken one stops no other."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _everything("Choose the zip file first, then press Import.", status=422)
    try:
        files = translate_flow.unpacked(sent.read())
    except Unfit as unfit:
        return _everything(str(unfit), status=422)
    if not files:
        return _everything("There is no .po file in this zip. Nothing was taken in.", status=422)
    return _everything(taken=[(file.file, file.flow, _bring_in_one(file)) for file in files])


def _bring_in_one(file: Unpacked) -> Merged | str:
    """What came of one file of a zip, or why it was refused."""
    open_ = runtime()
    now = open_.clock.now()
    if not file.flow or not file.language:
        return "It does not say for which flow and language it is. Name it <flow>.<language>.po, or import it at its flow."
    try:
        with open_.database.transaction() as db:
            merged, revision = translate_flow.bring_in(
                db, file.flow, file.language, file.raw, file.file, frame.author(), now
            )
            access.record(db, "flow_changed", now, detail=f"{file.flow}, revision {revision.number}")
            return merged
    except (Unfit, FlowError) as refused:
        return _first(refused)
    except NotThere:
        return f"There is no flow `{file.flow}`."
