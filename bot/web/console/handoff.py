"""The page of one handoff: what is known of the person, the conversation, the reply box, and the other actions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, flash, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from bot.domain.handoff.states import DISPOSITIONS, HandoffState
from bot.domain.languages import english_name
from bot.domain.messages.message import OutboxLane
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.context import Context
from bot.usecases.handoff import claiming, ending, writing
from bot.usecases.handoff.common import HandoffResult
from bot.usecases.handoff.read_handoff import (
    HandoffPage,
    conversation_of,
    list_colleagues,
    may_see_handoff,
    read_handoff,
    ready_replies_for,
)
from bot.usecases.handoff.read_timeline import TextAuthor
from bot.web import forms, layout
from bot.web.access import csrf_field, current_user, record_audit, require_permission
from bot.web.console import news, wording
from bot.web.forms import current_runtime

handoff = Blueprint("handoff", __name__, url_prefix="/console")

PAGE_PARTS = ("state", "summary", "lines", "reply", "actions")
"""The parts of the page that its script replaces; each has a template console/handoff_*.html."""
_CORRECTABLE_REASONS = frozenset({"empty", "too_long", "past", "unsafe_time"})
"""Reasons of a refusal that typing something else can correct (422). All others mean that the handoff has changed (409)."""
_NOTHING_CHOSEN = "Choose something first. Nothing was changed."


@dataclass(slots=True)
class ReplyDraft:
    """The typed values, if the page is shown again with them, and the notice and HTTP status to show them with."""

    body: str = ""
    at: str = ""
    note: str = ""
    notice: str = ""
    status: int = 200


@handoff.get("/handoffs/<int:handoff_id>")
@require_permission(Permission.READ_TRANSCRIPT)
def show(handoff_id: int) -> Response:
    """The page; the query parameter `before` is a message id, for an earlier page of the transcript."""
    return _page(handoff_id, ReplyDraft())


@handoff.get("/handoffs/<int:handoff_id>/news")
@require_permission(Permission.READ_TRANSCRIPT)
def parts(handoff_id: int) -> Response:
    """The parts of the page that can change, for its script."""
    values = _values(handoff_id, ReplyDraft(), "refresh")
    return _parts(values) if values else layout.not_found(handoff_id, "handoff")


@handoff.post("/handoffs/<int:handoff_id>/claim")
@require_permission(Permission.ANSWER)
def claim(handoff_id: int) -> Response:
    """Claim the handoff."""
    return _run(
        handoff_id, "claim", lambda db, context, now: claiming.claim(db, context, handoff_id, current_user().id, now)
    )


@handoff.post("/handoffs/<int:handoff_id>/pass")
@require_permission(Permission.ANSWER)
def pass_on(handoff_id: int) -> Response:
    """Decline the handoff: another social worker is called at once."""
    return _run(
        handoff_id, "pass_on", lambda db, context, now: claiming.decline(db, context, handoff_id, current_user().id, now)
    )


@handoff.post("/handoffs/<int:handoff_id>/take-over")
@require_permission(Permission.TAKE_OVER)
def take_over(handoff_id: int) -> Response:
    """As a supervisor, take the handoff over from its owner; the field `sure` is the confirmation."""
    note = forms.clean_text("note")
    if not forms.field("sure"):
        return _page(handoff_id, ReplyDraft(note=note, notice="Confirm that you want to take it over.", status=422))
    return _run(
        handoff_id,
        "take_over",
        lambda db, context, now: claiming.take_over(db, context, handoff_id, current_user().id, now, note),
    )


@handoff.post("/handoffs/<int:handoff_id>/write")
@require_permission(Permission.ANSWER)
def write(handoff_id: int) -> Response:
    """Send a reply now, or later (`do=later` with `at` in the city's time zone); `do=fill` puts a ready reply into the box
    and sends nothing."""
    body, do = forms.clean_text("body"), forms.field("do")
    if do == "fill":
        return _page(handoff_id, ReplyDraft(body=_with_ready_reply(body), at=forms.field("at")))
    if do != "later":
        return _run(
            handoff_id,
            "write",
            lambda db, context, now: writing.send_text(
                db, context, handoff_id, current_user().id, body, now, forms.field("once")
            ),
        )
    at = _read_moment(forms.field("at"))
    if at is None:
        notice = "Choose the day and the time at which it should leave. Nothing was sent."
        return _page(handoff_id, ReplyDraft(body=body, notice=notice, status=422))
    return _run(
        handoff_id,
        "schedule",
        lambda db, context, now: writing.send_text(
            db, context, handoff_id, current_user().id, body, now, forms.field("once"), at
        ),
    )


@handoff.post("/handoffs/<int:handoff_id>/cancel/<int(max=9223372036854775807):message_id>")
@require_permission(Permission.ANSWER)
def cancel(handoff_id: int, message_id: int) -> Response:
    """Cancel a scheduled text."""
    return _run(
        handoff_id,
        "cancel_scheduled",
        lambda db, context, now: writing.cancel_scheduled(db, context, message_id, current_user().id, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/note")
@require_permission(Permission.ANSWER)
def note(handoff_id: int) -> Response:
    """Add a note for other social workers."""
    body = forms.clean_text("note")
    return _run(
        handoff_id,
        "note",
        lambda db, context, now: writing.add_note_to_handoff(db, context, handoff_id, current_user().id, body, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/offer")
@require_permission(Permission.ANSWER)
def offer(handoff_id: int) -> Response:
    """Offer the handoff to a colleague."""
    to, words = _read_number(forms.field("to")), forms.clean_text("note")
    if not to:
        return _page(handoff_id, ReplyDraft(note=words, notice=_NOTHING_CHOSEN, status=422))
    return _run(
        handoff_id,
        "offer",
        lambda db, context, now: claiming.offer_to_colleague(db, context, handoff_id, current_user().id, to, words, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/answer-offer")
@require_permission(Permission.ANSWER)
def answer_offer(handoff_id: int) -> Response:
    """Accept or decline a colleague's offer."""
    accepts = forms.field("do") == "accept"
    return _run(
        handoff_id,
        "accept_offer" if accepts else "decline_offer",
        lambda db, context, now: claiming.answer_offer(db, context, handoff_id, current_user().id, accepts, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/team")
@require_permission(Permission.ANSWER)
def send_to_team(handoff_id: int) -> Response:
    """Send the handoff to another team."""
    team, words = forms.field("team"), forms.clean_text("note")
    if not team:
        return _page(handoff_id, ReplyDraft(note=words, notice=_NOTHING_CHOSEN, status=422))
    return _run(
        handoff_id,
        "send_to_team",
        lambda db, context, now: ending.send_to_team(db, context, handoff_id, current_user().id, team, words, now),
    )


@handoff.post("/handoffs/<int:handoff_id>/release")
@require_permission(Permission.ANSWER)
def release(handoff_id: int) -> Response:
    """Give the handoff back, so that another social worker is called."""
    words = forms.clean_text("note")
    return _run(
        handoff_id,
        "release",
        lambda db, context, now: ending.release(db, context, handoff_id, current_user().id, now, words),
    )


@handoff.post("/handoffs/<int:handoff_id>/hand-back")
@require_permission(Permission.ANSWER)
def hand_back(handoff_id: int) -> Response:
    """Hand the conversation back to the bot."""
    return _run(
        handoff_id, "hand_back", lambda db, context, now: ending.hand_back(db, context, handoff_id, current_user().id, now)
    )


@handoff.post("/handoffs/<int:handoff_id>/close")
@require_permission(Permission.ANSWER)
def close(handoff_id: int) -> Response:
    """Close the handoff with its disposition."""
    how, words, goodbye = forms.field("disposition"), forms.clean_text("note"), bool(forms.field("goodbye"))
    if how not in DISPOSITIONS:
        notice = "Choose how it ended. It is not closed yet."
        return _page(handoff_id, ReplyDraft(note=words, notice=notice, status=422))
    return _run(
        handoff_id,
        "close",
        lambda db, context, now: ending.close(db, context, handoff_id, current_user().id, how, now, words, goodbye),
    )


HandoffAct = Callable[[Session, Context, datetime], HandoffResult]


def _run(handoff_id: int, act: str, do: HandoffAct) -> Response:
    """Run `do` and audit it in one transaction, then wake the delivery of its texts and show the page. If `do` is refused,
    the page is shown with the typed values."""
    runtime = current_runtime()
    now = runtime.clock.now()
    if not _may_see(handoff_id):
        return layout.not_found(handoff_id, act)
    try:
        with runtime.database.transaction() as db:
            done = do(db, runtime.context, now)
            record_audit(db, act, now, conversation_id=conversation_of(db, handoff_id), handoff_id=handoff_id)
    except Refused as refused:
        return _refusal_page(handoff_id, act, refused)
    runtime.queue.wake_delivery(done.outbox_ids, OutboxLane.CRISIS)
    if forms.is_script_request():
        values = _values(handoff_id, ReplyDraft(), "after an act")
        # A social worker who sent the handoff to another team may not be allowed to see it any more.
        return _parts(values) if values else jsonify(gone=url_for("inbox.index"))
    if _may_see(handoff_id):
        return make_response(redirect(url_for("handoff.show", handoff_id=handoff_id, _anchor="newest"), 303))
    flash("Done. It is with another team now.", "good")
    return make_response(redirect(url_for("inbox.index"), 303))


def _may_see(handoff_id: int) -> bool:
    with current_runtime().database.transaction() as db:
        return may_see_handoff(db, current_user(), handoff_id)


def _refusal_page(handoff_id: int, act: str, refused: Refused) -> Response:
    runtime = current_runtime()
    lost = act == "claim" and refused.reason == "taken"
    with runtime.database.transaction() as db:
        detail = f"{act}: {refused.reason}"
        record_audit(db, "claim_lost" if lost else "refused", runtime.clock.now(), handoff_id=handoff_id, detail=detail)
    if not _may_see(handoff_id):
        return layout.not_found(handoff_id, act)
    status = 422 if refused.reason in _CORRECTABLE_REASONS else 409
    draft = ReplyDraft(forms.clean_text("body"), forms.field("at"), forms.clean_text("note"), refused.text, status)
    return _page(handoff_id, draft)


def _page(handoff_id: int, draft: ReplyDraft) -> Response:
    values = _values(handoff_id, draft, "page")
    if values is None:
        return layout.not_found(handoff_id, "handoff")
    if forms.is_script_request():
        return _parts(values)
    return make_response(render_template("console/handoff.html", **values), draft.status)


def _parts(values: dict[str, Any]) -> Response:
    case, draft = values["case"], values["draft"]
    answer = jsonify(
        seen=case.version,
        newsPass=values["news_pass"],
        now=values["now"].isoformat(),
        csrf=str(csrf_field()),
        notice=draft.notice,
        box=values["box"],
        parts={name: render_template(f"console/handoff_{name}.html", **values) for name in PAGE_PARTS},
    )
    answer.status_code = draft.status
    return answer


def _values(handoff_id: int, draft: ReplyDraft, why: str) -> dict[str, Any] | None:
    """The template values; audits that the handoff was read. None if the staff member may not see it."""
    runtime, who = current_runtime(), current_user()
    now, before = runtime.clock.now(), _read_number(request.args.get("before", ""))
    zone = runtime.settings.timezone
    with runtime.database.transaction() as db:
        case = read_handoff(db, runtime.context, handoff_id, who, now, zone, before or None)
        if case is None:
            return None
        own, other = ready_replies_for(db, who, case.handoff.language)
        others = list_colleagues(db, runtime.context, case.handoff, who, now) if case.is_mine and case.is_held else []
        record_audit(
            db, "read_transcript", now, conversation_id=case.conversation_id, handoff_id=handoff_id,
            detail=f"{why}, before {before}" if before else why,
        )  # fmt: skip
    return {
        "case": case, "draft": draft, "w": wording, "now": now, "zone": zone, "before": before, "By": TextAuthor,
        "replies": own, "other_replies": other, "colleagues": others, "dispositions": DISPOSITIONS,
        "may_answer": who.may(Permission.ANSWER), "may_take_over": who.may(Permission.TAKE_OVER), "me_id": who.id,
        "speaks": _language_list,
        "box": _reply_area(case), "once": secrets.token_urlsafe(9), "longest": MAX_BODY_LENGTH,
        "folds": runtime.settings.fold_accents, "line_name": runtime.settings.line_name,
        "news_pass": news.make_pass(who.id, handoff_id), "is_part": forms.is_script_request(),
    }  # fmt: skip


@lru_cache(maxsize=200)
def _language_list(languages: tuple[str, ...]) -> str:
    """A colleague's languages in words. Cached, because the page lists every colleague and most speak the same ones."""
    return ", ".join(english_name(code) for code in languages)


def _reply_area(case: HandoffPage) -> str:
    """What the reply area shows: `closed`, `offered`, `write`, `claim`, or `others` if a colleague has the handoff."""
    if not case.is_open:
        return "closed"
    if case.is_offered_to_me:
        return "offered"
    if case.is_mine and (case.is_held or case.handoff.state == HandoffState.HANDED_BACK):
        return "write"
    return "others" if case.is_held else "claim"


def _with_ready_reply(body: str) -> str:
    """The typed text with the chosen ready reply after it, for browsers without scripts."""
    chosen = _read_number(forms.field("reply"))
    with current_runtime().database.transaction() as db:
        own, other = ready_replies_for(db, current_user(), "")
        text = next((row.body for row in (*own, *other) if row.id == chosen), "")
    return "\n".join(part for part in (body, text) if part)


def _read_moment(typed: str) -> datetime | None:
    """The value of a `datetime-local` field, in the city's time zone, as aware UTC; None if it cannot be parsed."""
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return local.replace(tzinfo=current_runtime().settings.timezone).astimezone(UTC) if local.tzinfo is None else None


def _read_number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else 0
