"""One person's follow-up page: rendering it, and what its forms have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import cases as case_words
from bot.domain import referrals as referral_words
from bot.domain.languages import english_name
from bot.domain.refused import Refused
from bot.usecases.check_ins import manage_check_ins
from bot.usecases.check_ins.manage_check_ins import CADENCES, ZONES
from bot.usecases.check_ins.read_follow_up import FollowUpPage, may_follow_up, read_follow_up
from bot.usecases.context import Context
from bot.web import access, layout
from bot.web.access import current_user
from bot.web.console import moments, wording
from bot.web.console.follow_up import drawing
from bot.web.console.follow_up import words as w
from bot.web.forms import current_runtime

RETRACT: Final = "retract"
"""The choice in the outcome form for a referral that was made by mistake."""


@dataclass(frozen=True, slots=True)
class FormProblem:
    """A refused form: its name and the reason. The typed values are in the request."""

    form: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """What the page shows once, in response to a form: a phone number, a link for an agency, services that were found."""

    number: str = ""
    link: str = ""
    link_referral_id: int = 0
    services: list[tuple[int, str]] | None = None


def show(conversation_id: int, problem: FormProblem | None = None, shown: ShownOnce | None = None) -> ResponseReturnValue:
    """The page as it is now, with the reason why a form was refused, or with what is shown once."""
    runtime = current_runtime()
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        page = read_follow_up(db, runtime.context, current_user(), conversation_id, now)
        if page is not None:
            access.record_audit(db, "read_follow_up", now, conversation_id=conversation_id)
    if page is None:
        return not_found(conversation_id)
    return render_template(
        "console/follow_up_person.html",
        here="follow_up",
        page=page,
        problem=problem,
        stray=problem if problem and problem.form not in _form_names(page) else None,
        shown=shown or ShownOnce(),
        typed=_typed_value(problem),
        **_template_values(page, now, runtime.context),
    ), (422 if problem else 200)


def _form_names(page: FollowUpPage) -> set[str]:
    """The names of the forms on the page. The form of a check-in that was just skipped elsewhere is gone; the reason of its
    refusal is then shown at the top of the page."""
    check_ins = {f"{act}-{each.id}" for each in page.to_come for act in ("move", "skip")}
    referral_forms = {f"{act}-{each.referred.known.id}" for each in page.referrals for act in ("outcome", "link")}
    planning = set() if page.why_not else {"cadence", "one"}
    others = {"zone", "refer"} | ({"task"} if page.tasks else set()) | ({"stop"} if page.may_stop else set())
    return others | planning | check_ins | referral_forms


def _template_values(page: FollowUpPage, now: datetime, context: Context) -> dict[str, Any]:
    """The template values besides the page itself."""
    say, here = w.moment_formatter(now, page.zone), now.astimezone(page.zone)
    titles = {**page.flows}

    def title(flow: str) -> str:
        return titles.get(flow) or flow.replace("_", " ").capitalize()

    def day(at: datetime) -> str:
        return w.moment(at, now, page.zone).partition(", ")[2].rpartition(", ")[0]

    return {
        "say": say,
        "title": title,
        "day": day,
        "moment": lambda at: w.moment(at, now, context.zone),
        "local": lambda at: at.astimezone(page.zone).replace(tzinfo=None).isoformat(timespec="minutes"),
        "in_city": lambda at: moments.clock(at, context.zone) if _differs_from_city(at, page, context) else "",
        "line": drawing.draw(
            page.check_ins, now, lambda each: f"{title(each.flow)}: {w.STATES[each.state].lower()}, {say(each.at)}", day
        ),
        "zone_name": "City time" if page.zone == context.zone else ZONES.get(page.zone.key, page.zone.key),
        "zones": ZONES,
        "not_possible": manage_check_ins.reason_text(page.why_not),
        "cadences": CADENCES,
        "earliest": here.replace(tzinfo=None).isoformat(timespec="minutes"),
        "furthest": (here + manage_check_ins.MAX_AHEAD).replace(tzinfo=None).isoformat(timespec="minutes"),
        "now": now,
        "words": w,
        "plain": wording.plain,
        "channels": wording.CHANNELS,
        "language": english_name,
        "task_kinds": case_words.TASK_KINDS,
        "referral_words": referral_words,
        "retract": RETRACT,
        "need_words": {word: case_words.NEEDS[code] for word, code in case_words.CODE_BY_NAME.items()},
    }


def _differs_from_city(at: datetime, page: FollowUpPage, context: Context) -> bool:
    return at.astimezone(page.zone).utcoffset() != at.astimezone(context.zone).utcoffset()


def _typed_value(problem: FormProblem | None) -> Callable[[str, str, Any], str]:
    """Returns a function for the template: the value of a field, as typed if its form was refused, else the default."""

    def typed(form: str, name: str, otherwise: Any = "") -> str:
        is_again = problem is not None and problem.form == form
        return request.form.get(name, "") if is_again else str(otherwise)

    return typed


def not_found(conversation_id: int) -> ResponseReturnValue:
    """404, the same for a person of another team and for a number that does not exist."""
    return layout.not_found(None, f"follow-up of person {conversation_id}")


def run(conversation_id: int, form: str, act: str, do: Callable[[Session, Context, datetime], str]) -> ResponseReturnValue:
    """Run `do` in one transaction and show its sentence; if it is refused, show the page again with the typed values. `do`
    writes its own audit rows."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            if not may_follow_up(db, current_user(), conversation_id):
                return not_found(conversation_id)
            sentence = do(db, runtime.context, runtime.clock.now())
    except Refused as refused:
        access.record_refusal(f"{act}: {refused.reason}")
        return show(conversation_id, FormProblem(form, refused.text))
    flash(sentence, "good")
    return redirect_to_page(conversation_id)


def redirect_to_page(conversation_id: int) -> ResponseReturnValue:
    """Redirect to the page after a form was saved."""
    return redirect(url_for("follow_up.person", conversation_id=conversation_id), 303)
