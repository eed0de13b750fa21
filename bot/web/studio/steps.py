"""The editor: a flow as its steps in reading order beside the drawn machine, and a form for each step."""

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

from bot.domain import readability
from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing import content, document
from bot.domain.flow_outline import Outline, outline
from bot.domain.flow_texts import messages
from bot.domain.flow_translations import Written, written
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.permissions import Permission
from bot.domain.suggestion import fit_name
from bot.storage import board
from bot.usecases.studio import edit_draft, look_over
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere
from bot.usecases.studio.look_over import Look
from bot.usecases.studio.preview_step import Preview, preview
from bot.web import forms
from bot.web.console import access, wording
from bot.web.console.access import needs
from bot.web.forms import runtime
from bot.web.studio import diagram, frame, step_form, step_words, trial
from bot.web.studio.frame import Opened
from bot.web.studio.step_form import StepForm

steps = Blueprint("steps", __name__, url_prefix="/console")

MOST_DRAWN = 400
"""Longer flows show only what lies around the open step, also in the list: a page of 2,000 rows is read by nobody."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the editor knows of a flow: its outline where the file can be read, and what the checks say."""

    outline: Outline | None
    look: Look
    problems: Mapping[str, list[Problem]]


def read_sheet(db: Session, opened: Opened) -> Sheet:
    """The flow that is open, as it is edited."""
    look = look_over.look_over(db, runtime().desk, opened.flow, opened.content)
    file = f"{opened.flow}.yaml"
    try:
        found = outline(opened.content.source, file)
    except FlowError:
        return Sheet(None, look, {"": list(look.problems)})
    return Sheet(found, look, look_over.by_step(found.rows, look.problems, file))


def languages_of(opened: Opened) -> tuple[str, ...]:
    """The languages beside the source: those of the line, then those that the flow has besides."""
    here = [language for language in runtime().settings.languages if language != "en"]
    return (*here, *sorted(set(opened.content.translations) - {*here, "en"}))


def written_in(opened: Opened) -> dict[str, dict[str, Written]]:
    """The entries of every readable PO file of the flow."""
    found = {}
    for language, po in opened.content.translations.items():
        try:
            found[language] = _entries(po, f"{opened.flow}.{language}.po")
        except FlowError:
            found[language] = {}
    return found


# Reading the catalogs is a third of the page of a long flow, and most pages are asked for with the same ones.
_entries = lru_cache(maxsize=32)(written)


@steps.get("/flows/<string:flow>")
@needs(Permission.SEE_FLOWS)
def editor(flow: str) -> ResponseReturnValue:
    """The steps beside the drawing; with `?step=`, that step's form."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
        selected = request.args.get("step", "")
        form = None
        if sheet.outline is not None and selected in sheet.outline.steps:
            data = sheet.outline.steps[selected]
            form = step_form.show(selected, data, languages_of(opened), written_in(opened))
        return _editor(db, opened, sheet, form=form, selected=selected)


def _editor(
    db: Session, opened: Opened, sheet: Sheet, *, form: StepForm | None, selected: str, status: int = 200, **values: Any
) -> Response:
    # A form of what does not stand in the file yet is shown with what would come of it.
    shown = frame.page(
        "studio/steps.html",
        opened,
        "steps",
        sheet=sheet,
        rows=_shown(sheet, selected),
        form=form,
        selected=selected,
        figure=diagram.figure(
            opened.content,
            opened.flow,
            selected=selected or None,
            problems={name: problems for name, problems in sheet.problems.items() if name},
            near=form is not None,
        ),
        pane=trial.pane(db, opened),
        seen_as=_preview_of(opened, sheet, form) if form else None,
        reading=_reading(sheet),
        names=list(sheet.outline.steps) if sheet.outline else [],
        flows={name: _flow_label(name, sheet) for name in sorted(sheet.look.around.flows)},
        teams=board.teams(db),
        words=step_words,
        language=wording.language,
        languages=languages_of(opened),
        **{"problem": "", "theirs": None, "is_new": False, "after": "", **values},
    )
    return make_response(shown, status)


def _reading(sheet: Sheet) -> int | None:
    """The school grade of all that the flow says in English; None where there are too few words to tell."""
    script = sheet.look.script
    spoken = [text for context, text, _ in messages(script) if context.endswith((".ask", ".say"))] if script else []
    grade = readability.grade(spoken)
    return max(1, round(grade)) if grade is not None else None


def _flow_label(name: str, sheet: Sheet) -> str:
    return f"{name} (not published yet)" if name in sheet.look.drafted else name


def _shown(sheet: Sheet, selected: str) -> list[Any]:
    rows = list(sheet.outline.rows) if sheet.outline else []
    if len(rows) <= MOST_DRAWN:
        return rows
    at = next((number for number, row in enumerate(rows) if row.name == selected), 0)
    start = max(0, min(at - MOST_DRAWN // 2, len(rows) - MOST_DRAWN))
    return rows[start : start + MOST_DRAWN]


def _preview_of(opened: Opened, sheet: Sheet, form: StepForm) -> Preview:
    return _preview(opened, sheet, form.name, form.data, _texts_of(form))


def _texts_of(form: StepForm) -> dict[str, dict[str, str]]:
    fields = [*form.texts.values(), *(part for choice in form.choices for part in (choice.label, choice.words))]
    found: dict[str, dict[str, str]] = {}
    for one in fields:
        for told in one.told:
            found.setdefault(told.language, {})[one.context] = "" if told.stale_source else told.text
    return found


def _preview(
    opened: Opened, sheet: Sheet, name: str, data: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]
) -> Preview:
    settings = runtime().settings
    head = sheet.outline.head if sheet.outline else {}
    budget = str(head.get("segments") or "2")
    return preview(
        name,
        data,
        texts,
        languages=languages_of(opened),
        budget=int(budget) if re.fullmatch(r"[0-9]{1,3}", budget) else 2,
        price=settings.segment_price,
        line_name=settings.line_name,
    )


# A step is added or changed.


@steps.get("/flows/<string:flow>/new-step")
@needs(Permission.EDIT_FLOWS)
def new_step(flow: str) -> ResponseReturnValue:
    """The form for a step that is not there yet."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
        kind = request.args.get("kind", "say")
        kind = kind if kind in step_words.KINDS else "say"
        names = list(sheet.outline.steps) if sheet.outline else []
        name = fit_name(request.args.get("name", "") or kind, names)
        form = step_form.show(name, _blank(kind), languages_of(opened), {})
        after = request.args.get("after", "")
        return _editor(db, opened, sheet, form=form, selected=after, is_new=True, after=after)


def _blank(kind: str) -> dict[str, Any]:
    whole: dict[str, dict[str, Any]] = {"decide": {"decide": True}, "erase": {"erase": "everything"}}
    return whole.get(kind, {kind: None})


@steps.post("/flows/<string:flow>/step")
@needs(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Keep the step as the form has it; or only show it, where that was asked for."""
    open_ = runtime()
    now = open_.clock.now()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
        typed = _typed(opened, sheet)
    if forms.field("act") == "preview":
        return _again(flow, typed)
    try:
        with open_.database.transaction() as db:
            revision = edit_draft.change(
                db, flow, frame.seen(), typed.deed, typed.act, frame.author(), now, touches=typed.touches
            )
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except ChangedMeanwhile as meanwhile:
        return _again(flow, typed, theirs=meanwhile, status=409)
    except (edit_draft.Unfit, document.Unfit, FlowError) as refusal:
        return _again(flow, typed, problem=str(refusal), status=422)
    except NotThere:
        return frame.not_there()
    flash("Saved in the draft.", "good")
    return redirect(f"/console/flows/{flow}?step={quote(typed.name)}#step", 303)


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed into a step's form, and what saving it would do."""

    name: str
    kind: str
    is_new: bool
    after: str
    data: dict[str, Any]
    texts: dict[str, dict[str, str]]
    renamed: tuple[tuple[str, str], ...]
    """Choices whose name was changed: (old, new)."""
    was: Mapping[str, str]
    """Name of a choice as it is shown again -> its name in the file."""

    @property
    def deed(self) -> str:
        return f"{'Added' if self.is_new else 'Changed'} step {self.name}"

    def act(self, now: FlowContent) -> FlowContent:
        if self.is_new:
            return content.add_step(now, self.name, self.data, self.after or None, self.texts)
        data = self.data
        for old, new in self.renamed:
            now = content.rename_choice(now, self.name, old, new)
            data = content.with_conditions_following(data, self.name, old, new)
        return content.write_step(now, self.name, data, self.texts)

    def touches(self, now: FlowContent) -> object:
        """What saving depends on: this step, as it stands in the file and in every language."""
        found = outline(now.source, "")
        entries = {
            language: sorted(
                (context, entry.source, entry.text, entry.is_fuzzy)
                for context, entry in written(po, "").items()
                if context.startswith(f"{self.name}.")
            )
            for language, po in now.translations.items()
        }
        return found.steps.get(self.name), entries


def _typed(opened: Opened, sheet: Sheet) -> _Typed:
    is_new = bool(forms.field("is_new"))
    name = forms.field("name").strip()
    kind = forms.field("kind")
    kind = kind if kind in step_words.KINDS else "say"
    before = sheet.outline.steps.get(name, {}) if sheet.outline and not is_new else {}
    posted = request.form.to_dict()
    data, texts = step_form.read(name, kind, before, posted, languages_of(opened))
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
    was = {key: old for _, old, key in step_form.named_rows(posted) if isinstance(choices, dict) and old in choices}
    return _Typed(name, kind, is_new, forms.field("after"), data, texts, renamed, was)


def _again(
    flow: str, typed: _Typed, *, problem: str = "", theirs: ChangedMeanwhile | None = None, status: int = 200
) -> ResponseReturnValue:
    """The form again with what was typed, so that nothing is lost; beside it what somebody else made of the step."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
        form = step_form.show(typed.name, typed.data, languages_of(opened), _as_written(typed), typed.was)
        other = None
        if theirs is not None:
            data = sheet.outline.steps.get(typed.name) if sheet.outline else None
            other = (theirs.theirs, data and step_form.show(typed.name, data, languages_of(opened), written_in(opened)))
        return _editor(
            db, opened, sheet, form=form, selected=typed.name, status=status, problem=problem, theirs=other,
            is_new=typed.is_new, after=typed.after,
        )  # fmt: skip


def _as_written(typed: _Typed) -> dict[str, dict[str, Written]]:
    sources = _sources(typed)
    return {
        language: {context: Written(sources.get(context, ""), text, False) for context, text in texts.items()}
        for language, texts in typed.texts.items()
    }


def _sources(typed: _Typed) -> dict[str, str]:
    form = step_form.show(typed.name, typed.data, (), {})
    fields = [*form.texts.values(), *(part for choice in form.choices for part in (choice.label, choice.words))]
    return {one.context: one.source for one in fields}


@steps.post("/flows/<string:flow>/preview")
@needs(Permission.EDIT_FLOWS)
def preview_typed(flow: str) -> ResponseReturnValue:
    """How the typed step would look on a phone: a part of the page, asked for by the script while somebody types."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
    typed = _typed(opened, sheet)
    seen_as = _preview(opened, sheet, typed.name, typed.data, typed.texts)
    return jsonify(html=render_template("studio/step_preview.html", seen_as=seen_as, language=wording.language))
