"""The editor: a flow's steps in file order beside its diagram, and a form for each step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, flash, jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.flows.editing import content
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.translations import RawEntry, read_raw_entries
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.flows.outline import Outline, read_outline
from bot.domain.languages import SOURCE_LANGUAGE, english_name
from bot.domain.messages import readability
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.domain.suggestion import name_from_text
from bot.usecases.staff.read_staff import team_names
from bot.usecases.studio import edit_draft, quick_check
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.open_flow import OpenFlow, open_flow
from bot.usecases.studio.preview_step import StepPreview, preview
from bot.usecases.studio.quick_check import FlowCheck
from bot.web import access, forms
from bot.web.access import require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame, step_form, step_words, trial
from bot.web.studio.diagram import pages
from bot.web.studio.step_form import StepForm

steps = Blueprint("steps", __name__, url_prefix="/console")

MAX_LISTED = 400
"""The list of a longer flow shows only the steps around the open one: a page of 2,000 rows is not readable."""


@dataclass(frozen=True, slots=True)
class EditorView:
    """What the editor shows of a flow: its outline (None if the file cannot be parsed), and the checks' problems by step."""

    outline: Outline | None
    look: FlowCheck
    problems: Mapping[str, list[FlowProblem]]


def read_editor(db: Session, opened: OpenFlow) -> EditorView:
    """The open flow as the editor shows it."""
    look = quick_check.check_flow(db, current_runtime().context, opened.flow, opened.content)
    file = f"{opened.flow}.yaml"
    try:
        found = read_outline(opened.content.source, file)
    except FlowError:
        return EditorView(None, look, {"": list(look.problems)})
    return EditorView(found, look, quick_check.problems_by_step(found.rows, look.problems, file))


def translation_languages(opened: OpenFlow) -> tuple[str, ...]:
    """The languages other than the source: the configured ones, then any others that the flow has."""
    here = [language for language in current_runtime().settings.languages if language != SOURCE_LANGUAGE]
    return (*here, *sorted(set(opened.content.translations) - {*here, SOURCE_LANGUAGE}))


def read_catalogs(opened: OpenFlow) -> dict[str, dict[str, RawEntry]]:
    """Language -> context -> entry of the flow's PO files; empty for a file that cannot be parsed."""
    found = {}
    for language, po in opened.content.translations.items():
        try:
            found[language] = _parse_catalog(po, f"{opened.flow}.{language}.po")
        except FlowError:
            found[language] = {}
    return found


# Parsing the catalogs takes a third of the time for a long flow's page, and most requests have the same ones.
_parse_catalog = lru_cache(maxsize=32)(read_raw_entries)


@steps.get("/flows/<string:flow>")
@require_permission(Permission.SEE_FLOWS)
def editor(flow: str) -> ResponseReturnValue:
    """The steps beside the diagram; with `?step=`, that step's form."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
        selected = request.args.get("step", "")
        form = None
        if sheet.outline is not None and selected in sheet.outline.steps:
            data = sheet.outline.steps[selected]
            form = step_form.build_form(selected, data, translation_languages(opened), read_catalogs(opened))
        return _editor_page(db, opened, sheet, form=form, selected=selected)


def _editor_page(
    db: Session,
    opened: OpenFlow,
    sheet: EditorView,
    *,
    form: StepForm | None,
    selected: str,
    status: int = 200,
    **values: Any,
) -> Response:
    # The preview is made from the form, which may hold values that are not saved yet.
    shown = frame.render_page(
        "studio/steps.html",
        opened,
        "steps",
        sheet=sheet,
        rows=_listed_rows(sheet, selected),
        form=form,
        selected=selected,
        figure=pages.figure(
            opened.content,
            opened.flow,
            selected=selected or None,
            problems={name: problems for name, problems in sheet.problems.items() if name},
            near=form is not None,
        ),
        pane=trial.phone_pane(db, opened),
        seen_as=_preview_of(opened, sheet, form) if form else None,
        reading=_reading_grade(sheet),
        names=list(sheet.outline.steps) if sheet.outline else [],
        flows={name: _flow_label(name, sheet) for name in sorted(sheet.look.flow_set.flows)},
        teams=team_names(db),
        words=step_words,
        language=english_name,
        languages=translation_languages(opened),
        **{"problem": "", "theirs": None, "is_new": False, "after": "", **values},
    )
    return make_response(shown, status)


def _reading_grade(sheet: EditorView) -> int | None:
    """The reading grade of the flow's English texts; None if there are too few words to tell."""
    script = sheet.look.script
    spoken = (
        [text for context, text, _ in translatable_texts(script) if context.endswith((".ask", ".say"))] if script else []
    )
    grade = readability.school_grade(spoken)
    return max(1, round(grade)) if grade is not None else None


def _flow_label(name: str, sheet: EditorView) -> str:
    return f"{name} (not published yet)" if name in sheet.look.unpublished else name


def _listed_rows(sheet: EditorView, selected: str) -> list[Any]:
    rows = list(sheet.outline.rows) if sheet.outline else []
    if len(rows) <= MAX_LISTED:
        return rows
    at = next((number for number, row in enumerate(rows) if row.name == selected), 0)
    start = max(0, min(at - MAX_LISTED // 2, len(rows) - MAX_LISTED))
    return rows[start : start + MAX_LISTED]


def _preview_of(opened: OpenFlow, sheet: EditorView, form: StepForm) -> StepPreview:
    return _preview(opened, sheet, form.name, form.data, _texts_of(form))


def _texts_of(form: StepForm) -> dict[str, dict[str, str]]:
    fields = [*form.texts.values(), *(part for choice in form.choices for part in (choice.label, choice.words))]
    found: dict[str, dict[str, str]] = {}
    for one in fields:
        for told in one.translations:
            found.setdefault(told.language, {})[one.context] = "" if told.stale_source else told.text
    return found


def _preview(
    opened: OpenFlow, sheet: EditorView, name: str, data: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]
) -> StepPreview:
    settings = current_runtime().settings
    head = sheet.outline.head if sheet.outline else {}
    budget = str(head.get("segments") or "2")
    return preview(
        name,
        data,
        texts,
        languages=translation_languages(opened),
        budget=int(budget) if re.fullmatch(r"[0-9]{1,3}", budget) else 2,
        price=settings.segment_price,
        line_name=settings.line_name,
    )


# Adding and changing a step.


@steps.get("/flows/<string:flow>/new-step")
@require_permission(Permission.EDIT_FLOWS)
def new_step(flow: str) -> ResponseReturnValue:
    """The form for a new step."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
        kind = request.args.get("kind", "say")
        kind = kind if kind in step_words.KINDS else "say"
        names = list(sheet.outline.steps) if sheet.outline else []
        name = name_from_text(request.args.get("name", "") or kind, names)
        form = step_form.build_form(name, _empty_step(kind), translation_languages(opened), {})
        after = request.args.get("after", "")
        return _editor_page(db, opened, sheet, form=form, selected=after, is_new=True, after=after)


def _empty_step(kind: str) -> dict[str, Any]:
    whole: dict[str, dict[str, Any]] = {"decide": {"decide": True}, "erase": {"erase": "everything"}}
    return whole.get(kind, {kind: None})


@steps.post("/flows/<string:flow>/step")
@require_permission(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Save the posted step; with `act=preview` only show it."""
    runtime = current_runtime()
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
        typed = _read_form(opened, sheet)
    if forms.field("act") == "preview":
        return _form_again(flow, typed)
    try:
        with runtime.database.transaction() as db:
            revision = edit_draft.change(
                db,
                flow,
                frame.posted_version_token(),
                typed.description,
                typed.apply,
                frame.current_author(),
                now,
                touches=typed.conflict_key,
            )
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except DraftChangedMeanwhile as meanwhile:
        return _form_again(flow, typed, theirs=meanwhile, status=409)
    except (Refused, FlowError) as refusal:
        return _form_again(flow, typed, problem=str(refusal), status=422)
    except FlowNotFound:
        return frame.not_found()
    flash("Saved in the draft.", "good")
    return redirect(f"/console/flows/{flow}?step={quote(typed.name)}#step", 303)


@dataclass(frozen=True, slots=True)
class _TypedStep:
    """The posted form of a step, and the change that saves it."""

    name: str
    kind: str
    is_new: bool
    after: str
    data: dict[str, Any]
    texts: dict[str, dict[str, str]]
    renamed: tuple[tuple[str, str], ...]
    """Choices whose name was changed: (old, new)."""
    names_in_file: Mapping[str, str]
    """Name of a choice as it is shown again -> its name in the file."""

    @property
    def description(self) -> str:
        return f"{'Added' if self.is_new else 'Changed'} step {self.name}"

    def apply(self, now: FlowContent) -> FlowContent:
        if self.is_new:
            return content.add_step(now, self.name, self.data, self.after or None, self.texts)
        data = self.data
        for old, new in self.renamed:
            now = content.rename_choice(now, self.name, old, new)
            data = content.rename_choice_in_step(data, self.name, old, new)
        return content.write_step(now, self.name, data, self.texts)

    def conflict_key(self, now: FlowContent) -> object:
        """What saving must not conflict with: this step as it is in the file and in every language."""
        found = read_outline(now.source, "")
        entries = {
            language: sorted(
                (context, entry.source, entry.text, entry.is_fuzzy)
                for context, entry in read_raw_entries(po, "").items()
                if context.startswith(f"{self.name}.")
            )
            for language, po in now.translations.items()
        }
        return found.steps.get(self.name), entries


def _read_form(opened: OpenFlow, sheet: EditorView) -> _TypedStep:
    is_new = bool(forms.field("is_new"))
    name = forms.field("name").strip()
    kind = forms.field("kind")
    kind = kind if kind in step_words.KINDS else "say"
    before = sheet.outline.steps.get(name, {}) if sheet.outline and not is_new else {}
    posted = request.form.to_dict()
    data, texts = step_form.parse_form(name, kind, before, posted, translation_languages(opened))
    if is_new and kind not in data:
        data = {kind: "", **data}
    choices = before.get("choices")
    renamed = tuple(
        (was, new)
        for key, was in posted.items()
        if key.startswith("choice.") and key.endswith(".was") and was
        if (new := posted.get(f"{key[:-4]}.name", "").strip())
        and new != was
        and isinstance(choices, dict)
        and was in choices
    )
    was = {key: old for _, old, key in step_form.read_choice_rows(posted) if isinstance(choices, dict) and old in choices}
    return _TypedStep(name, kind, is_new, forms.field("after"), data, texts, renamed, was)


def _form_again(
    flow: str, typed: _TypedStep, *, problem: str = "", theirs: DraftChangedMeanwhile | None = None, status: int = 200
) -> ResponseReturnValue:
    """The form again with the typed values, so that nothing is lost; in a conflict also the step as saved by a colleague."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
        form = step_form.build_form(
            typed.name, typed.data, translation_languages(opened), _as_written(typed), typed.names_in_file
        )
        other = None
        if theirs is not None:
            data = sheet.outline.steps.get(typed.name) if sheet.outline else None
            other = (
                theirs.current,
                data and step_form.build_form(typed.name, data, translation_languages(opened), read_catalogs(opened)),
            )
        return _editor_page(
            db, opened, sheet, form=form, selected=typed.name, status=status, problem=problem, theirs=other,
            is_new=typed.is_new, after=typed.after,
        )  # fmt: skip


def _as_written(typed: _TypedStep) -> dict[str, dict[str, RawEntry]]:
    sources = _sources(typed)
    return {
        language: {context: RawEntry(sources.get(context, ""), text, False) for context, text in texts.items()}
        for language, texts in typed.texts.items()
    }


def _sources(typed: _TypedStep) -> dict[str, str]:
    form = step_form.build_form(typed.name, typed.data, (), {})
    fields = [*form.texts.values(), *(part for choice in form.choices for part in (choice.label, choice.words))]
    return {one.context: one.source for one in fields}


@steps.post("/flows/<string:flow>/preview")
@require_permission(Permission.EDIT_FLOWS)
def preview_typed(flow: str) -> ResponseReturnValue:
    """How the typed step would look on a phone: a part of the page, requested by the script while the author types."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
    typed = _read_form(opened, sheet)
    seen_as = _preview(opened, sheet, typed.name, typed.data, typed.texts)
    return jsonify(html=render_template("studio/step_preview.html", seen_as=seen_as, language=english_name))
