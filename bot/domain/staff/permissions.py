"""Which role may do what: one table, used by the pages only through `bot/web/access.py`.

Reading a transcript also depends on the team, see `may_see_handoff`. Admins edit and auditors review; neither may read what
people wrote, unless they are a social worker or supervisor as well (34 USC 12291: disclose only what is necessary).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

ANYONE = "anyone"
"""The team of a handoff that every social worker may take."""


class Role(StrEnum):
    SOCIAL_WORKER = "social_worker"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What a page or a button lets staff do."""

    SEE_INBOX = "see_inbox"
    READ_TRANSCRIPT = "read_transcript"
    ANSWER = "answer"
    """Claim, write, pass on, hand back, close, note."""
    TAKE_OVER = "take_over"
    SEE_BOARD = "see_board"
    SEE_ROSTER = "see_roster"
    EDIT_ROSTER = "edit_roster"
    EDIT_REPLIES = "edit_replies"
    SEE_STAFF = "see_staff"
    EDIT_STAFF = "edit_staff"
    SEE_AUDIT = "see_audit"
    FOLLOW_UP = "follow_up"
    """See and manage the check-ins, referrals and cases of the people whom they may see."""
    SEE_DIRECTORY = "see_directory"
    EDIT_DIRECTORY = "edit_directory"
    SEE_FLOWS = "see_flows"
    """Read and try out flows, and see who changed what."""
    EDIT_FLOWS = "edit_flows"
    PUBLISH_FLOWS = "publish_flows"
    APPROVE_FLOWS = "approve_flows"
    """Approve a publication that another admin asked for."""
    EDIT_OWN = "edit_own"
    """One's own telephone, languages, alerts and second factor."""


_P = Permission
PERMISSIONS_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.SOCIAL_WORKER: frozenset({
        _P.SEE_INBOX, _P.READ_TRANSCRIPT, _P.ANSWER, _P.FOLLOW_UP, _P.SEE_ROSTER, _P.SEE_DIRECTORY, _P.EDIT_OWN,
    }),
    Role.SUPERVISOR: frozenset({
        _P.SEE_INBOX, _P.READ_TRANSCRIPT, _P.ANSWER, _P.TAKE_OVER, _P.SEE_BOARD, _P.SEE_ROSTER, _P.EDIT_ROSTER,
        _P.EDIT_REPLIES, _P.SEE_STAFF, _P.SEE_AUDIT, _P.FOLLOW_UP, _P.SEE_DIRECTORY, _P.EDIT_DIRECTORY, _P.SEE_FLOWS,
        _P.APPROVE_FLOWS, _P.EDIT_OWN,
    }),
    Role.ADMIN: frozenset({
        _P.SEE_ROSTER, _P.EDIT_ROSTER, _P.EDIT_REPLIES, _P.SEE_STAFF, _P.EDIT_STAFF, _P.SEE_DIRECTORY,
        _P.EDIT_DIRECTORY, _P.SEE_FLOWS, _P.EDIT_FLOWS, _P.PUBLISH_FLOWS, _P.APPROVE_FLOWS, _P.EDIT_OWN,
    }),
    Role.AUDITOR: frozenset({_P.SEE_AUDIT, _P.SEE_STAFF, _P.SEE_FLOWS, _P.EDIT_OWN}),
}  # fmt: skip


def is_allowed(roles: Iterable[Role], permission: Permission) -> bool:
    """Whether any of these roles holds the permission."""
    return any(permission in PERMISSIONS_OF_ROLE[role] for role in roles)


def may_see_handoff(team: str, own_teams: Collection[str], *, is_alerted: bool) -> bool:
    """Whether a member of these teams may see a handoff of `team`; `is_alerted`: they own it or were alerted for it."""
    return is_alerted or team == ANYONE or team in own_teams
