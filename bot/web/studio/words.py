"""A flow's translations: their coverage, editing them in place, and exporting and importing files for translators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.flows.wording.translating import LANGUAGE, MergeResult
from bot.domain.languages import english_name
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.offered_languages import read_offered_languages
from bot.usecases.studio import translate_flow
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.open_flow import OpenFlow, open_flow, title_of
from bot.usecases.studio.translate_flow import TextFilter, TextKey
from bot.usecases.studio.zipped_translations import ZippedPo, read_zip
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame

words = Blueprint("words", __name__, url_prefix="/console")

FILTERS = {
    TextFilter.OPEN: "Missing or stale",
    TextFilter.MISSING: "Missing",
    TextFilter.STALE: "Stale",
    TextFilter.ALL: "All texts",
}
_FIELD_NAME = re.compile(rf"text\.({LANGUAGE.pattern})\.(.+)")


@words.get("/flows/<string:flow>/words")
@require_permission(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """The coverage, and a page of texts with their translations side by side."""
    return _show(flow)


@words.post("/flows/<string:flow>/words")
@require_permission(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Save only the texts that were changed in the form."""
    runtime = current_runtime()
    now = runtime.clock.now()
    # Only changed texts are filled in again after a refusal: a colleague may have changed the others meanwhile.
    changed = _read_texts()
    try:
        with runtime.database.transaction() as db:
            before = translate_flow.content_at(db, flow, frame.posted_version_token())
            if before is None:
                return frame.not_found()
            changed = translate_flow.changed_texts(flow, before, changed, _confirmed_key())
            if changed:
                revision = translate_flow.change_texts(
                    db, flow, frame.posted_version_token(), changed, frame.current_author(), now
                )
                access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except DraftChangedMeanwhile as meanwhile:
        return _show(flow, typed=changed, problem=_conflict_text(meanwhile), status=409)
    except (Refused, FlowError) as refused:
        return _show(flow, typed=changed, problem=_first_problem(refused), status=422)
    except FlowNotFound:
        return frame.not_found()
    flash(_saved_text(len(changed)), "good")
    return redirect(_return_path(flow), 303)


def _saved_text(count: int) -> str:
    if not count:
        return "Nothing was changed."
    return f"Saved in the draft: {count} {'text' if count == 1 else 'texts'}."


def _conflict_text(meanwhile: DraftChangedMeanwhile) -> str:
    theirs = meanwhile.current
    # A draft that only just began with the published content has no author of a change.
    is_published = theirs.parent_id is None and theirs.undone_id is None
    who = "A version was published meanwhile that changed" if is_published else f"{theirs.by} changed"
    when = "" if is_published else f" meanwhile ({theirs.what})"
    return (
        f"{who} one of these texts{when}, so nothing was saved. What you typed stands "
        "below, beside the source as it is now. Look it through, and save again."
    )


def _read_texts() -> dict[TextKey, str]:
    """The posted texts: (language, context) -> text."""
    found = {}
    for name in request.form:
        matched = _FIELD_NAME.fullmatch(name)
        if matched:
            found[matched[1], matched[2]] = forms.clean_text(name)
    return found


def _confirmed_key() -> TextKey | None:
    """The key of the stale text whose button "still right" was pressed; None if it was another button."""
    language, _, context = forms.field("right").partition(" ")
    return (language, context) if context else None


def _return_path(flow: str) -> str:
    """The path of the page that the form came from, with its filter."""
    asked = forms.field("query")
    # Rebuilt from known fields: the posted query is never used in a redirect as it is.
    return f"/console/flows/{flow}/words{_query_string(**_read_query(asked))}"


def _read_query(query: str) -> dict[str, Any]:
    fields = [part.partition("=") for part in query.lstrip("?").split("&")]
    show = [value for name, _, value in fields if name == "show" and LANGUAGE.fullmatch(value)]
    only = next((value for name, _, value in fields if name == "only" and value in set(TextFilter)), "")
    page = next((value for name, _, value in fields if name == "page" and value.isascii() and value.isdecimal()), "")
    return {"show": show, "only": only, "page": page[:4]}


def _query_string(show: list[str] | tuple[str, ...] = (), only: str = "", page: str | int = "") -> str:
    pairs = [*(("show", language) for language in show), *((("only", only),) if only else ())]
    pairs += [("page", str(page))] if page else []
    return f"?{urlencode(pairs)}" if pairs else ""


@words.post("/flows/<string:flow>/words/languages")
@require_permission(Permission.EDIT_FLOWS)
def add_language(flow: str) -> ResponseReturnValue:
    """Begin a translation."""
    runtime = current_runtime()
    now, language = runtime.clock.now(), forms.clean_text("language").replace("-", "_")
    try:
        with runtime.database.transaction() as db:
            revision = translate_flow.add_language(
                db, flow, frame.posted_version_token(), language, frame.current_author(), now
            )
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except DraftChangedMeanwhile:
        return _show(flow, problem="It was added meanwhile. Nothing was changed.", status=409)
    except (Refused, FlowError) as refused:
        return _show(flow, problem=_first_problem(refused), status=422)
    except FlowNotFound:
        return frame.not_found()
    flash(f"{english_name(language)} was added. All of its texts are missing yet.", "good")
    return redirect(f"/console/flows/{flow}/words{_query_string([language], TextFilter.OPEN)}", 303)


@words.get("/flows/<string:flow>/words/<string:language>.po")
@require_permission(Permission.SEE_FLOWS)
def export(flow: str, language: str) -> ResponseReturnValue:
    """The file for a translator."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
    if opened is None:
        return frame.not_found()
    try:
        text = translate_flow.export_translations(flow, opened.content, opened.number, language)
    except (Refused, FlowError) as refused:
        return _show(flow, problem=_first_problem(refused), status=422)
    return _attachment(text.encode("utf-8"), f"{flow}.{language}.po", "text/x-gettext-translation; charset=utf-8")


def _attachment(raw: bytes, name: str, kind: str) -> Response:
    response = make_response(raw)
    response.headers["Content-Type"] = kind
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@words.post("/flows/<string:flow>/words/<string:language>.po")
@require_permission(Permission.EDIT_FLOWS)
def bring_in(flow: str, language: str) -> ResponseReturnValue:
    """Import a translator's file, and show the texts that could not be imported, with the reasons."""
    runtime = current_runtime()
    now = runtime.clock.now()
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _show(flow, problem="Choose the translator's file first, then press Import.", status=422)
    name = _plain_name(sent.filename)
    try:
        with runtime.database.transaction() as db:
            if open_flow(db, flow) is None:
                return frame.not_found()
            merged, revision = translate_flow.import_translations(
                db, flow, language, sent.read(), name, frame.current_author(), now
            )
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
            opened = open_flow(db, flow)
    except (Refused, FlowError) as refused:
        return _show(
            flow, problem=f"{_first_problem(refused)} Nothing was taken in.".replace(*_REPEATED_SENTENCE), status=422
        )
    except FlowNotFound:
        return frame.not_found()
    assert opened is not None
    return frame.render_page(
        "studio/words_import.html", opened, "words", merged=merged, file=name, code=language, language=english_name
    )


_REPEATED_SENTENCE = ("Nothing was taken in. Nothing was taken in.", "Nothing was taken in.")


def _plain_name(name: str) -> str:
    """An uploaded file's name, cleaned for showing."""
    return re.sub(r"[^\w. -]", "", re.split(r"[/\\]", name)[-1])[:80] or "translation.po"


def _first_problem(refused: Refused | FlowError) -> str:
    """The first problem as one sentence with its position."""
    return str(refused.problems[0]) if isinstance(refused, FlowError) else str(refused)


def _show(flow: str, *, typed: Mapping[TextKey, str] | None = None, problem: str = "", status: int = 200) -> Response:
    """The page; texts in `typed` replace the saved ones in their boxes."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
    if opened is None:
        return frame.not_found()
    languages = translate_flow.languages_of(opened.content, runtime.settings.languages)
    asked = _read_query(request.query_string.decode("ascii", "ignore") or forms.field("query"))
    shown = [language for language in languages if language in asked["show"]] or list(languages[:1])
    only = TextFilter(asked["only"]) if asked["only"] else TextFilter.ALL
    try:
        sheet = translate_flow.read_text_page(
            flow, opened.content, languages, shown, only, int(asked["page"] or 1), runtime.settings.line_name
        )
    except FlowError as error:
        return _unreadable(opened, error.problems, problem, status)
    body = frame.render_page(
        "studio/words.html",
        opened,
        "words",
        sheet=sheet,
        shown=shown,
        only=only,
        filters=FILTERS,
        languages=languages,
        spoken=runtime.settings.languages,
        more=[code for code in read_offered_languages().translations if code not in languages],
        typed=typed or {},
        problem=problem,
        query=_query_string(shown, only, sheet.page),
        link=lambda **other: _query_string(**{"show": shown, "only": only, **other}),
        language=english_name,
    )
    return make_response(body, status)


def _unreadable(opened: OpenFlow, problems: tuple[FlowProblem, ...], problem: str, status: int) -> Response:
    body = frame.render_page("studio/words_unreadable.html", opened, "words", problems=problems, problem=problem)
    return make_response(body, status)


# All flows at once.


@words.get("/flows/words")
@require_permission(Permission.SEE_FLOWS)
def everything() -> ResponseReturnValue:
    """The coverage of every flow in each language."""
    return _all_flows_page()


def _all_flows_page(
    problem: str = "", taken: list[tuple[str, str, MergeResult | str]] | None = None, status: int = 200
) -> Response:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        contents = translate_flow.current_contents(db)
    languages = tuple(
        dict.fromkeys(
            one
            for content, _ in contents.values()
            for one in translate_flow.languages_of(content, runtime.settings.languages)
        )
    )
    rows = []
    for name, (content, _) in sorted(contents.items()):
        try:
            rows.append((name, title_of(content, name), translate_flow.coverages(name, content, languages)))
        except FlowError:
            rows.append((name, title_of(content, name), ()))
    body = render_template(
        "studio/words_all.html",
        here="flows",
        rows=rows,
        languages=languages,
        language=english_name,
        problem=problem,
        taken=taken or [],
        may_edit=current_user().may(Permission.EDIT_FLOWS),
    )
    return make_response(body, status)


@words.get("/flows/words/<string:language>.zip")
@require_permission(Permission.SEE_FLOWS)
def export_all(language: str) -> ResponseReturnValue:
    """A zip with every flow's file of this language."""
    with current_runtime().database.transaction() as db:
        contents = translate_flow.current_contents(db)
    try:
        raw, _left = translate_flow.export_zip(contents, language)
    except Refused as refused:
        return _all_flows_page(str(refused), status=422)
    return _attachment(raw, f"flows.{language}.zip", "application/zip")


@words.post("/flows/words")
@require_permission(Permission.EDIT_FLOWS)
def bring_in_all() -> ResponseReturnValue:
    """Import a zip of translators' files, each in its own transaction, so that a broken one does not affect the others."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _all_flows_page("Choose the zip file first, then press Import.", status=422)
    try:
        files = read_zip(sent.read())
    except Refused as refused:
        return _all_flows_page(str(refused), status=422)
    if not files:
        return _all_flows_page("There is no .po file in this zip. Nothing was taken in.", status=422)
    return _all_flows_page(taken=[(file.file, file.flow, _bring_in_one(file)) for file in files])


def _bring_in_one(file: ZippedPo) -> MergeResult | str:
    """The result of importing one file of a zip, or why it was refused."""
    runtime = current_runtime()
    now = runtime.clock.now()
    if not file.flow or not file.language:
        return "It does not say for which flow and language it is. Name it <flow>.<language>.po, or import it at its flow."
    try:
        with runtime.database.transaction() as db:
            merged, revision = translate_flow.import_translations(
                db, file.flow, file.language, file.raw, file.file, frame.current_author(), now
            )
            access.record_audit(db, "flow_changed", now, detail=f"{file.flow}, revision {revision.number}")
            return merged
    except (Refused, FlowError) as refused:
        return _first_problem(refused)
    except FlowNotFound:
        return f"There is no flow `{file.flow}`."
