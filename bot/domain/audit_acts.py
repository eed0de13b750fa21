"""The acts that the audit knows, in the words of the page that shows them."""

from __future__ import annotations

ACTS: dict[str, str] = {
    # Reading
    "read_inbox": "Looked at the inbox",
    "read_transcript": "Read a conversation",
    "read_person": "Looked at a person's page",
    "search_people": "Searched for a person",
    "read_board": "Looked at the board",
    "read_audit": "Looked at this audit",
    "export_audit": "Exported this audit",
    "read_media": "Opened a picture or file",
    # Answering
    "claim": "Took a handoff",
    "claim_refused": "Tried by text to take a handoff and could not",
    "claim_lost": "Tried to take a handoff that somebody had",
    "pass_on": "Passed on a handoff they were called for",
    "release": "Gave a handoff back to be answered by others",
    "offer": "Offered a handoff to a colleague",
    "send_to_team": "Sent a handoff to another team",
    "accept_offer": "Accepted a handoff from a colleague",
    "decline_offer": "Declined a handoff from a colleague",
    "take_over": "Took a handoff over as supervisor",
    "hand_back": "Handed a conversation back to the line",
    "close": "Closed a handoff",
    "write": "Wrote to a person",
    "reach_out": "Wrote to a person first",
    "relay_refused": "Texted to a conversation that was not theirs any more",
    "schedule": "Planned a text to a person",
    "cancel_scheduled": "Cancelled a planned text",
    "note": "Wrote a note",
    "number_shown": "Looked at a person's telephone number",
    "person_named": "Changed the name that is kept of a person",
    "safe_contact_changed": "Changed how a person may be reached safely",
    # Refusals
    "refused": "Was refused",
    "not_allowed": "Was refused: not permitted",
    "stranger_texted": "An unknown number texted to the staff's number",
    # Accounts
    "password_link": "Asked for a link to choose a new password",
    "texts_stopped": "Stopped alerts by text with STOP",
    "texts_started": "Started alerts by text again with START",
    "signed_in": "Signed in",
    "sign_in_failed": "A sign-in failed",
    "locked": "An account was locked after failed sign-ins",
    "signed_out": "Signed out",
    "password_changed": "Changed their password",
    "second_factor_on": "Turned their second factor on",
    "second_factor_off": "Turned their second factor off",
    "second_factor_reset": "Had a colleague's lost second factor forgotten",
    "account_changed": "Changed their own settings",
    # Running the house
    "staff_added": "Added a member of staff",
    "staff_changed": "Changed a member of staff",
    "staff_left": "Deactivated a member of staff",
    "staff_returned": "Reactivated a member of staff",
    "staff_invited": "Made an invite link",
    "team_added": "Added a team",
    "team_changed": "Renamed a team",
    "roster_changed": "Changed the roster",
    "reply_added": "Added a canned reply",
    "reply_changed": "Changed a canned reply",
    "reply_removed": "Removed a canned reply",
}
"""Key -> label. A key that is not here is shown as it is: an act is never hidden because its words are missing."""


def label(act: str) -> str:
    """The act in plain English; an unknown one with its underlines as spaces."""
    return ACTS.get(act) or act.replace("_", " ").capitalize()
