"""One handoff: what is known of the person, the conversation, the box to answer in, and what else can be done."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, flash, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from bot.domain.handoff import HandoffState
from bot.domain.message import Lane
from bot.domain.permissions import Permission
from bot.domain.segments import LONGEST_BODY
from bot.storage import inbox as rows
from bot.usecases import answering
from bot.usecases.answering import DISPOSITIONS, Done, Refused
from bot.usecases.desk import Desk
from bot.usecases.read_case import Case, colleagues, handoff_for, may_see_handoff, replies_for
from bot.usecases.read_timeline import By
from bot.web import forms
from bot.web.console import layout, news, wording
from bot.web.console.access import csrf, me, needs, record
from bot.web.forms import runtime

handoff = Blueprint("handoff", __name__, url_prefix="/console")

PARTS = ("state", "summary", "lines", "reply", "actions")
"""The pieces of the page that its script puts in anew."""
_TYPED_WRONG = frozenset({"empty", "too_long", "past", "unsafe_time"})
"""What is mended by typing something else; everything else has changed under the page."""
_NOTHING_CHOSEN = "Choose something first. Nothing was changed."


@dataclass(slots=True)
class Draft:
    """What was typed, where the page is shown again with it."""

    body: str = ""
    at: str = ""
    note: str = ""
    notice: str = ""
    status: int = 200


@handoff.get("/handoffs/<int:handoff_id>")
@needs(Permission.READ_TRANSCRIPT)
def show(handoff_id: int) -> Response:
    """The page; `before` is a message's row, for an earlier page of the transcript."""
    return _page(handoff_id, Draft())


@handoff.get("/handoffs/<int:handoff_id>/news")
@needs(Permission.READ_TRANSCRIPT)
def parts(handoff_id: int) -> Response:
    """What changes of the page, for its script."""
    values = _values(handoff_id, Draft(), "refresh")
    return _parts(values) if values else layout.not_here(handoff_id, "handoff")


@handoff.post("/handoffs/<int:handoff_id>/claim")
@needs(Permission.ANSWER)
def claim(handoff_id: int) -> Response:
    """ "I have it"."""
    return _act(handoff_id, "claim", lambda db, desk, now: answering.claim(db, desk, handoff_id, me().id, now))


@handoff.post("/handoffs/<int:handoff_id>/pass")
@needs(Permission.ANSWER)
def pass_on(handoff_id: int) -> Response:
    """ "Not me": somebody else is called at once."""
    return _act(handoff_id, "pass_on", lambda db, desk, now: answering.pass_on(db, desk, handoff_id, me().id, now))


@handoff.post("/handoffs/<int:handoff_id>/take-over")
@needs(Permission.TAKE_OVER)
def take_over(handoff_id: int) -> Response:
    """A supervisor takes it from whoever has it; `sure` is the confirmation."""
    note = forms.words("note")
    if not forms.field("sure"):
        return _page(handoff_id, Draft(note=note, notice="Confirm that you want to take it over.", status=422))
    return _act(handoff_id, "take_over", lambda db, desk, now: answering.take_over(db, desk, handoff_id, me().id, now, note))


@handoff.post("/handoffs/<int:handoff_id>/write")
@needs(Permission.ANSWER)
def write(handoff_id: int) -> Response:
    """A reply now, or a text for later (`do=later` with `at` in the city's time); `do=fill` puts a canned reply into the
    box and sends nothing."""
    body, do = forms.words("body"), forms.field("do")
    if do == "fill":
        return _page(handoff_id, Draft(body=_filled(body), at=forms.field("at")))
    if do != "later":
        return _act(
            handoff_id,
            "write",
            lambda db, desk, now: answering.write(db, desk, handoff_id, me().id, body, now, forms.field("once")),
        )
    at = _moment(forms.field("at"))
    if at is None:
        notice = "Choose the day and the time at which it should leave. Nothing was sent."
        return _page(handoff_id, Draft(body=body, notice=notice, status=422))
    return _act(
        handoff_id,
        "schedule",
        lambda db, desk, now: answering.write(db, desk, handoff_id, me().id, body, now, forms.field("once"), at),
    )


@handoff.post("/handoffs/<int:handoff_id>/cancel/<int(max=9223372036854775807):message_id>")
@needs(Permission.ANSWER)
def cancel(handoff_id: int, message_id: int) -> Response:
    """A text that was planned does not leave."""
    return _act(
        handoff_id,
        "cancel_scheduled",
        lambda db, desk, now: answering.cancel_scheduled(db, desk, message_id, me().id, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/note")
@needs(Permission.ANSWER)
def note(handoff_id: int) -> Response:
    """A note for the other workers."""
    body = forms.words("note")

    def add(db: Session, desk: Desk, now: datetime) -> Done:
        found = rows.find(db, handoff_id)
        if found is None:
            raise Refused("unknown")
        answering.add_note(db, desk, found.conversation_id, me().id, body, now, handoff_id)
        return Done(handoff_id)

    return _act(handoff_id, "note", add)


@handoff.post("/handoffs/<int:handoff_id>/offer")
@needs(Permission.ANSWER)
def offer(handoff_id: int) -> Response:
    """Ask a colleague to take it over."""
    to, words = _number(forms.field("to")), forms.words("note")
    if not to:
        return _page(handoff_id, Draft(note=words, notice=_NOTHING_CHOSEN, status=422))
    return _act(handoff_id, "offer", lambda db, desk, now: answering.offer(db, desk, handoff_id, me().id, to, words, now))


@handoff.post("/handoffs/<int:handoff_id>/answer-offer")
@needs(Permission.ANSWER)
def answer_offer(handoff_id: int) -> Response:
    """Yes or no to a colleague."""
    accepts = forms.field("do") == "accept"
    return _act(
        handoff_id,
        "accept_offer" if accepts else "decline_offer",
        lambda db, desk, now: answering.answer_offer(db, desk, handoff_id, me().id, accepts, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/team")
@needs(Permission.ANSWER)
def send_to_team(handoff_id: int) -> Response:
    """Another team answers it."""
    team, words = forms.field("team"), forms.words("note")
    if not team:
        return _page(handoff_id, Draft(note=words, notice=_NOTHING_CHOSEN, status=422))
    return _act(
        handoff_id,
        "send_to_team",
        lambda db, desk, now: answering.send_to_team(db, desk, handoff_id, me().id, team, words, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/release")
@needs(Permission.ANSWER)
def release(handoff_id: int) -> Response:
    """Somebody else is looked for."""
    words = forms.words("note")
    return _act(handoff_id, "release", lambda db, desk, now: answering.release(db, desk, handoff_id, me().id, now, words))


@handoff.post("/handoffs/<int:handoff_id>/hand-back")
@needs(Permission.ANSWER)
def hand_back(handoff_id: int) -> Response:
    """The line speaks again."""
    return _act(handoff_id, "hand_back", lambda db, desk, now: answering.hand_back(db, desk, handoff_id, me().id, now))


@handoff.post("/handoffs/<int:handoff_id>/close")
@needs(Permission.ANSWER)
def close(handoff_id: int) -> Response:
    """It is over, and how it ended."""
    how, words, goodbye = forms.field("disposition"), forms.words("note"), bool(forms.field("goodbye"))
    if how not in DISPOSITIONS:
        notice = "Choose how it ended. It is not closed yet."
        return _page(handoff_id, Draft(note=words, notice=notice, status=422))
    return _act(
        handoff_id,
        "close",
        lambda db, desk, now: answering.close(db, desk, handoff_id, me().id, how, now, words, goodbye),
    )


Do = Callable[[Session, Desk, datetime], Done]


def _act(handoff_id: int, act: str, do: Do) -> Response:
    """Do it in one transaction with its audit row, wake what it promised, and show the page; a refusal loses nothing."""
    open_ = runtime()
    now = open_.clock.now()
    if not _is_here(handoff_id):
        return layout.not_here(handoff_id, act)
    try:
        with open_.database.transaction() as db:
            done = do(db, open_.desk, now)
            found = rows.find(db, handoff_id)
            conversation_id = found.conversation_id if found else None
            record(db, act, now, conversation_id=conversation_id, handoff_id=handoff_id)
    except Refused as refused:
        return _refused(handoff_id, act, refused)
    open_.queue.wake_delivery(done.wake, Lane.CRISIS)
    if forms.asks_for_part():
        values = _values(handoff_id, Draft(), "after an act")
        # Who gave it to another team may not see it any more.
        return _parts(values) if values else jsonify(gone=url_for("inbox.index"))
    if _is_here(handoff_id):
        return make_response(redirect(url_for("handoff.show", handoff_id=handoff_id, _anchor="newest"), 303))
    flash("Done. It is with another team now.", "good")
    return make_response(redirect(url_for("inbox.index"), 303))


def _is_here(handoff_id: int) -> bool:
    with runtime().database.transaction() as db:
        return may_see_handoff(db, me(), handoff_id)


def _refused(handoff_id: int, act: str, refused: Refused) -> Response:
    open_ = runtime()
    lost = act == "claim" and refused.reason == "taken"
    with open_.database.transaction() as db:
        detail = f"{act}: {refused.reason}"
        record(db, "claim_lost" if lost else "refused", open_.clock.now(), handoff_id=handoff_id, detail=detail)
    if not _is_here(handoff_id):
        return layout.not_here(handoff_id, act)
    status = 422 if refused.reason in _TYPED_WRONG else 409
    draft = Draft(forms.words("body"), forms.field("at"), forms.words("note"), refused.text, status)
    return _page(handoff_id, draft)


def _page(handoff_id: int, draft: Draft) -> Response:
    values = _values(handoff_id, draft, "page")
    if values is None:
        return layout.not_here(handoff_id, "handoff")
    if forms.asks_for_part():
        return _parts(values)
    return make_response(render_template("console/handoff.html", **values), draft.status)


def _parts(values: dict[str, Any]) -> Response:
    case, draft = values["case"], values["draft"]
    answer = jsonify(
        seen=case.version,
        newsPass=values["news_pass"],
        now=values["now"].isoformat(),
        csrf=str(csrf()),
        notice=draft.notice,
        box=values["box"],
        parts={name: render_template(f"console/handoff_{name}.html", **values) for name in PARTS},
    )
    answer.status_code = draft.status
    return answer


def _values(handoff_id: int, draft: Draft, why: str) -> dict[str, Any] | None:
    """Everything for the page; that it was read is written down. None where it is not theirs to see."""
    open_, who = runtime(), me()
    now, before = open_.clock.now(), _number(request.args.get("before", ""))
    zone = open_.settings.timezone
    with open_.database.transaction() as db:
        case = handoff_for(db, open_.desk, handoff_id, who, now, zone, before or None)
        if case is None:
            return None
        own, other = replies_for(db, who, case.handoff.language)
        others = colleagues(db, open_.desk, case.handoff, who, now) if case.is_mine and case.is_held else []
        record(
            db, "read_transcript", now, conversation_id=case.conversation_id, handoff_id=handoff_id,
            detail=f"{why}, before {before}" if before else why,
        )  # fmt: skip
    return {
        "case": case, "draft": draft, "w": wording, "now": now, "zone": zone, "before": before, "By": By,
        "replies": own, "other_replies": other, "colleagues": others, "dispositions": DISPOSITIONS,
        "may_answer": who.may(Permission.ANSWER), "may_take_over": who.may(Permission.TAKE_OVER), "me_id": who.id,
        "speaks": _speaks,
        "box": _box(case), "once": secrets.token_urlsafe(9), "longest": LONGEST_BODY,
        "folds": open_.settings.fold_accents, "line_name": open_.settings.line_name,
        "news_pass": news.make_pass(who.id, handoff_id), "is_part": forms.asks_for_part(),
    }  # fmt: skip


@lru_cache(maxsize=200)
def _speaks(languages: tuple[str, ...]) -> str:
    """A colleague's languages in words; kept, since the page names every colleague and most speak the same."""
    return ", ".join(wording.language(code) for code in languages)


def _box(case: Case) -> str:
    """What stands where one answers: `closed`, `offered`, `write`, `claim`, or `others` where somebody else has it."""
    if not case.is_open:
        return "closed"
    if case.is_offered_to_me:
        return "offered"
    if case.is_mine and (case.is_held or case.handoff.state == HandoffState.HANDED_BACK):
        return "write"
    return "others" if case.is_held else "claim"


def _filled(body: str) -> str:
    """What was typed with the chosen reply behind it, for a browser without scripts."""
    chosen = _number(forms.field("reply"))
    with runtime().database.transaction() as db:
        own, other = replies_for(db, me(), "")
        text = next((row.body for row in (*own, *other) if row.id == chosen), "")
    return "\n".join(part for part in (body, text) if part)


def _moment(typed: str) -> datetime | None:
    """A `datetime-local` field, in the city's zone, as aware UTC; None where it cannot be read."""
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return local.replace(tzinfo=runtime().settings.timezone).astimezone(UTC) if local.tzinfo is None else None


def _number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else 0
