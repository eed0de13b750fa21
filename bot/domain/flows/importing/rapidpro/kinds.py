"""The table of what becomes of each kind of part.

docs/admins/importing-flows.md holds the same rows; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flows.importing.report import ImportStatus

CARRIED, APPROXIMATED, LEFT_OUT = ImportStatus.CARRIED, ImportStatus.APPROXIMATED, ImportStatus.LEFT_OUT
KindTable = Mapping[str, tuple[ImportStatus, str]]

ACTIONS: KindTable = {
    "send_msg": (CARRIED, "A `say`; where an answer is waited for behind it, the question of that `ask`."),
    "enter_flow": (CARRIED, "A `run`; where it does not come back, an `end` behind it."),
    "open_ticket": (APPROXIMATED, "A `handoff` to the team `anyone`; topic and body stand in `because`."),
    "say_msg": (APPROXIMATED, "It was spoken on the phone; here it is texted."),
    "set_contact_name": (APPROXIMATED, "Nothing is written; the answer it is made of is kept and can be filled in."),
    "set_contact_field": (APPROXIMATED, "Nothing is written; the answer it is made of is kept and can be filled in."),
    "set_run_result": (APPROXIMATED, "Nothing is written; the answer it is made of is kept and can be filled in."),
    "set_contact_property": (LEFT_OUT, "The draft keeps only what a person answers."),
    "set_run_local": (LEFT_OUT, "The draft keeps only what a person answers."),
    "play_audio": (LEFT_OUT, "Nothing is played on the phone; write its words as a text."),
    "add_contact_groups": (LEFT_OUT, "People are in no groups here."),
    "remove_contact_groups": (LEFT_OUT, "People are in no groups here."),
    "add_input_labels": (LEFT_OUT, "Messages have no labels here."),
    "add_contact_urn": (LEFT_OUT, "Addresses of a person are not changed by a flow."),
    "set_contact_language": (LEFT_OUT, "The language is the one that the person writes in or asks for."),
    "set_contact_channel": (LEFT_OUT, "A person is answered where they write."),
    "set_contact_status": (LEFT_OUT, "Only the person stops the texts, with STOP."),
    "set_contact_timezone": (LEFT_OUT, "The line has one time zone."),
    "send_broadcast": (LEFT_OUT, "A flow writes to nobody but the person it talks with."),
    "start_session": (LEFT_OUT, "A flow starts nothing for other people; plan a `check_in`, or `run` the flow."),
    "send_email": (LEFT_OUT, "A flow sends no mail; call a human with a `handoff`."),
    "call_webhook": (LEFT_OUT, "A flow calls no other computer."),
    "call_resthook": (LEFT_OUT, "A flow calls no other computer."),
    "call_classifier": (LEFT_OUT, "A flow calls no other computer."),
    "call_llm": (LEFT_OUT, "A flow calls no other computer."),
    "transfer_airtime": (LEFT_OUT, "A flow moves no money."),
    "request_optin": (LEFT_OUT, "Ask, and write the answer down with a `consent` step."),
}
OTHER_ACTION = (LEFT_OUT, "This kind of action is not known here.")

ROUTERS: KindTable = {
    "wait_for_response": (CARRIED, "An `ask`: categories are its choices; where there are no words, its `answer` is read."),
    "wait_for_dial, wait_for_digits, wait_for_image, wait_for_audio, wait_for_video, wait_for_location": (
        APPROXIMATED,
        "An `ask` that takes any text.",
    ),
    "split_by_subflow": (CARRIED, "What follows the `run`; the way for a flow that expired is never taken."),
    "split_by_run_result": (CARRIED, "A `decide` with conditions on the answer, where a question of the file keeps it."),
    "split_by_run_result_delimited, split_by_intent": (APPROXIMATED, "A `decide` that takes the way of all the rest."),
    "split_by_contact_field": (CARRIED, "A `decide` with conditions on the answer, where a question of the file keeps it."),
    "split_by_expression": (CARRIED, "A `decide` where the operand is one answer and nothing else."),
    "split_by_scheme": (CARRIED, "A `decide` on `channel` (tel is `sms`, whatsapp is `whatsapp`)."),
    "split_by_groups": (APPROXIMATED, "A `decide` that takes the way of who is in no group."),
    "split_by_webhook, split_by_resthook, split_by_airtime": (APPROXIMATED, "A `decide` that takes the way of failure."),
    "split_by_ticket": (APPROXIMATED, "A `decide` that takes the way of success: the handoff is always made."),
    "split_by_random": (APPROXIMATED, "A `decide` that takes the first way."),
}

TESTS: KindTable = {
    "has_any_word": (CARRIED, "Each of the words becomes a word of the choice."),
    "has_all_words": (APPROXIMATED, "The words, in this order, become one of the choice's words."),
    "has_phrase": (CARRIED, "A word of the choice."),
    "has_only_phrase": (CARRIED, "A word of the choice."),
    "has_only_text": (CARRIED, "A word of the choice."),
    "has_beginning": (APPROXIMATED, "A word of the choice, heard anywhere in the text."),
    "has_text": (CARRIED, "Any text; beside choices it is the way of what none of them hears."),
    "has_value": (APPROXIMATED, "Any text."),
    "has_number": (CARRIED, "`answer: number`."),
    "has_number_eq": (CARRIED, "`answer: number` with a condition; beside words a word of the choice."),
    "has_number_gt": (CARRIED, "`answer: number` with a condition."),
    "has_number_gte": (CARRIED, "`answer: number` with a condition."),
    "has_number_lt": (CARRIED, "`answer: number` with a condition."),
    "has_number_lte": (CARRIED, "`answer: number` with a condition."),
    "has_number_between": (CARRIED, "`answer: number` with a condition."),
    "has_date": (CARRIED, "`answer: date`."),
    "has_date_eq": (APPROXIMATED, "`answer: date`; any date counts."),
    "has_date_gt": (APPROXIMATED, "`answer: date`; any date counts."),
    "has_date_lt": (APPROXIMATED, "`answer: date`; any date counts."),
    "has_phone": (CARRIED, "`answer: phone`."),
    "has_email": (APPROXIMATED, "Any text counts."),
    "has_time": (APPROXIMATED, "Any text counts."),
    "has_pattern": (APPROXIMATED, "Any text counts."),
    "has_state": (APPROXIMATED, "Any text counts."),
    "has_district": (APPROXIMATED, "Any text counts."),
    "has_ward": (APPROXIMATED, "Any text counts."),
    "has_group": (APPROXIMATED, "People are in no groups here, so its way is never taken."),
    "has_category": (CARRIED, "A condition on the choice that was made."),
    "has_run_status": (CARRIED, "What follows the `run`."),
    "has_error": (APPROXIMATED, "Its way is never taken."),
    "has_intent, has_top_intent": (APPROXIMATED, "Any text counts in a question; elsewhere its way is never taken."),
}

WORD_TESTS = frozenset(
    {"has_any_word", "has_all_words", "has_phrase", "has_only_phrase", "has_only_text", "has_beginning", "has_category"}
)
NUMBER_TESTS = frozenset({kind for kind in TESTS if kind.startswith("has_number")})
DATE_TESTS = frozenset({kind for kind in TESTS if kind.startswith("has_date")})

OTHER_PARTS: KindTable = {
    "translations": (CARRIED, "PO files; the base text stays the source, also where it is not English."),
    "quick_replies": (APPROXIMATED, "Choices of the question; elsewhere left out."),
    "attachments": (LEFT_OUT, "A text here has no pictures or sounds."),
    "template": (LEFT_OUT, "The text is said as it stands, not as a template of WhatsApp."),
    "all_urns": (LEFT_OUT, "A person is answered where they write."),
    "timeout": (CARRIED, "The `wait` of the question."),
    "expressions": (CARRIED, "`{{ x }}` where an answer is kept under that name; else their words in square brackets."),
    "expiry": (LEFT_OUT, "A flow here does not end by itself; give its questions a `wait`."),
    "campaign event": (LEFT_OUT, "Plan a `check_in` where the person agrees to be asked again."),
    "message of a campaign": (APPROXIMATED, "Where the file holds no flow, a flow that says its text."),
    "trigger": (LEFT_OUT, "Lead to the flow from the menu, or from a word of a choice."),
    "groups": (LEFT_OUT, "So are fields, labels, channels and topics of the file: nothing here stands for them."),
    "language": (APPROXIMATED, "Where the base text is not English, it is the source all the same, and an item says so."),
    "node": (CARRIED, "A node that does nothing needs no step."),
}

OLDER_ACTIONS = {
    "reply": "send_msg", "send": "send_broadcast", "say": "say_msg", "play": "play_audio", "add_group": "add_contact_groups",
    "del_group": "remove_contact_groups", "save": "set_contact_field", "lang": "set_contact_language",
    "channel": "set_contact_channel", "flow": "enter_flow", "trigger-flow": "start_session", "api": "call_webhook",
    "email": "send_email", "add_label": "add_input_labels",
}  # fmt: skip
"""Older name of an action -> the newer one, under which the table lists it."""
OLDER_TESTS = {
    "contains_any": "has_any_word", "contains": "has_all_words", "contains_phrase": "has_phrase",
    "contains_only_phrase": "has_only_phrase", "starts": "has_beginning", "not_empty": "has_text", "regex": "has_pattern",
    "number": "has_number", "eq": "has_number_eq", "lt": "has_number_lt", "lte": "has_number_lte", "gt": "has_number_gt",
    "gte": "has_number_gte", "between": "has_number_between", "date": "has_date", "date_equal": "has_date_eq",
    "date_after": "has_date_gt", "date_before": "has_date_lt", "phone": "has_phone", "has_email": "has_email",
    "state": "has_state", "district": "has_district", "ward": "has_ward", "in_group": "has_group",
    "webhook_status": "has_category", "airtime_status": "has_category", "subflow": "has_only_text",
}  # fmt: skip
OLDER_ROUTERS = {
    "wait_message, wait_digits, wait_digit": "wait_for_response",
    "wait_recording, wait_photo, wait_video, wait_audio, wait_gps": "wait_for_image and its kin",
    "subflow": "split_by_subflow", "flow_field, form_field": "split_by_run_result",
    "contact_field": "split_by_contact_field", "expression": "split_by_expression", "group": "split_by_groups",
    "random": "split_by_random",
    "webhook, resthook, airtime": "split_by_webhook, split_by_resthook, split_by_airtime",
}  # fmt: skip


def markdown_table() -> str:
    """The rows as Markdown, as they stand in the admin manual."""
    words = {CARRIED: "carried over", APPROXIMATED: "approximated", LEFT_OUT: "left out"}
    parts = []
    for head, given in (("Action", ACTIONS), ("Router", ROUTERS), ("Test", TESTS), ("Beside these", OTHER_PARTS)):
        parts.append(f"| {head} | | becomes |\n|---|---|---|")
        parts[-1] += "".join(f"\n| {kind} | {words[fate]} | {how} |" for kind, (fate, how) in given.items())
    older = {**OLDER_ACTIONS, **OLDER_ROUTERS, **OLDER_TESTS}
    rows = "".join(f"\n| {old} | {new} |" for old, new in older.items())
    parts.append(f"| In exports before version 13 | is today |\n|---|---|{rows}")
    return "\n\n".join(parts) + "\n"
