"""One person's page of the follow-up: how it is shown, and what all its forms have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import case as case_words
from bot.domain import referral as referral_words
from bot.usecases import keep_case, keep_check_ins, keep_consent, record_referral
from bot.usecases.answering import Refused
from bot.usecases.desk import Desk
from bot.usecases.keep_check_ins import CADENCES, ZONES
from bot.usecases.read_follow_up import FollowUp, may_follow_up, read_follow_up
from bot.web.console import access, follow_up_line, layout, spoken, wording
from bot.web.console import follow_up_words as w
from bot.web.console.access import me
from bot.web.forms import runtime

RETRACT: Final = "retract"
"""Among the outcomes of the form: it was written down by mistake."""
_NOT_KEPT = (keep_check_ins.NotKept, keep_case.NotKept, keep_consent.NotKept, record_referral.Refused, Refused)


@dataclass(frozen=True, slots=True)
class Problem:
    """A form that was not kept: which, and why. What was typed is in the request."""

    form: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows once, in answer to a form: a number, a link for an agency, services that were found."""

    number: str = ""
    link: str = ""
    link_of: int = 0
    services: list[tuple[int, str]] | None = None


def show(conversation_id: int, problem: Problem | None = None, shown: Shown | None = None) -> ResponseReturnValue:
    """The page as it is now, with why a form was not kept, or with what is shown once."""
    open_ = runtime()
    now = open_.clock.now()
    with open_.database.transaction() as db:
        page = read_follow_up(db, open_.desk, me(), conversation_id, now)
        if page is not None:
            access.record(db, "read_follow_up", now, conversation_id=conversation_id)
    if page is None:
        return not_theirs(conversation_id)
    return render_template(
        "console/follow_up_person.html",
        here="follow_up",
        page=page,
        problem=problem,
        stray=problem if problem and problem.form not in _forms(page) else None,
        shown=shown or Shown(),
        typed=_typed(problem),
        **_words(page, now, open_.desk),
    ), (422 if problem else 200)


def _forms(page: FollowUp) -> set[str]:
    """The forms that stand on the page. What somebody has just skipped elsewhere has none any more, and why it was refused
    is said at the top."""
    check_ins = {f"{act}-{each.id}" for each in page.to_come for act in ("move", "skip")}
    told = {f"{act}-{each.referred.known.id}" for each in page.referrals for act in ("outcome", "link")}
    plans = set() if page.why_not else {"cadence", "one"}
    others = {"zone", "refer"} | ({"task"} if page.tasks else set()) | ({"stop"} if page.may_stop else set())
    return others | plans | check_ins | told


def _words(page: FollowUp, now: datetime, desk: Desk) -> dict[str, Any]:
    """What the templates need beside the page itself."""
    say, here = w.saying(now, page.zone), now.astimezone(page.zone)
    titles = {**page.flows}

    def title(flow: str) -> str:
        return titles.get(flow) or flow.replace("_", " ").capitalize()

    def day(at: datetime) -> str:
        return w.moment(at, now, page.zone).partition(", ")[2].rpartition(", ")[0]

    return {
        "say": say,
        "title": title,
        "day": day,
        "moment": lambda at: w.moment(at, now, desk.zone),
        "local": lambda at: at.astimezone(page.zone).replace(tzinfo=None).isoformat(timespec="minutes"),
        "in_city": lambda at: spoken.clock(at, desk.zone) if _differs(at, page, desk) else "",
        "line": follow_up_line.draw(
            page.check_ins, now, lambda each: f"{title(each.flow)}: {w.STATES[each.state].lower()}, {say(each.at)}", day
        ),
        "zone_name": "City time" if page.zone == desk.zone else ZONES.get(page.zone.key, page.zone.key),
        "zones": ZONES,
        "not_possible": keep_check_ins.sentence(page.why_not),
        "cadences": CADENCES,
        "earliest": here.replace(tzinfo=None).isoformat(timespec="minutes"),
        "furthest": (here + keep_check_ins.FURTHEST).replace(tzinfo=None).isoformat(timespec="minutes"),
        "now": now,
        "words": w,
        "plain": wording.plain,
        "channels": wording.CHANNELS,
        "language": wording.language,
        "task_kinds": case_words.TASK_KINDS,
        "referral_words": referral_words,
        "retract": RETRACT,
        "need_words": {word: case_words.NEEDS[code] for word, code in case_words.CODE_OF.items()},
    }


def _differs(at: datetime, page: FollowUp, desk: Desk) -> bool:
    return at.astimezone(page.zone).utcoffset() != at.astimezone(desk.zone).utcoffset()


def _typed(problem: Problem | None) -> Callable[[str, str, Any], str]:
    """What stands in a field: what was typed into the form that was refused, else what is given."""

    def typed(form: str, name: str, otherwise: Any = "") -> str:
        is_again = problem is not None and problem.form == form
        return request.form.get(name, "") if is_again else str(otherwise)

    return typed


def not_theirs(conversation_id: int) -> ResponseReturnValue:
    """404, the same for whoever is another team's and for a number that nobody has."""
    return layout.not_here(None, f"follow-up of person {conversation_id}")


def act(conversation_id: int, form: str, act: str, do: Callable[[Session, Desk, datetime], str]) -> ResponseReturnValue:
    """Do it in one transaction, and say so; the page again, with what was typed, where it is not possible. `do` gives the
    sentence, and writes down what it did."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            if not may_follow_up(db, me(), conversation_id):
                return not_theirs(conversation_id)
            said = do(db, open_.desk, open_.clock.now())
    except _NOT_KEPT as refused:
        access.refuse(f"{act}: {refused.reason}")
        return show(conversation_id, Problem(form, refused.text))
    flash(said, "good")
    return to(conversation_id)


def to(conversation_id: int) -> ResponseReturnValue:
    """Back to the page, after a form was kept."""
    return redirect(url_for("follow_up.person", conversation_id=conversation_id), 303)
