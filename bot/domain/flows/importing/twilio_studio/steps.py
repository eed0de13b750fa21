"""Builds the steps of a draft from the widgets of one Studio flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from bot.domain.flows.importing.drafting.draft import DraftBuilder, NameAllocator, format_seconds, make_identifier
from bot.domain.flows.importing.drafting.targets import add_handoff
from bot.domain.flows.importing.report import ImportStatus
from bot.domain.flows.importing.twilio_studio.kinds import KINDS, SUCCESS_EVENTS, UNKNOWN_KIND
from bot.domain.flows.importing.twilio_studio.model import Widget, choices_of, key_value_pairs, label_of, seconds_of
from bot.domain.flows.importing.twilio_studio.splits import (
    inline_labels,
    menu_rows,
    to_condition,
    without_menu,
    words_of_match,
)
from bot.domain.flows.importing.twilio_studio.texts import TextConverter, replied_widget

MAX_WORDS_OF_SINGLE_CHOICE = 3
"""A split with one match of more words than this validates an answer; it is not a menu."""
_CHOICES_REMARK = "Its matches are the choices of the question before it."
_CONDITIONS_REMARK = "It decides by conditions."
NEVER_CONDITION = "false"
"""Stands in for a condition that can't be expressed: the steps behind it stay in the draft for the admin to edit."""
_STARTS = ("incomingMessage", "incomingConversationMessage", "incomingRequest", "incomingParent", "incomingCall")
_SKIPPED_KINDS = ("make-http-request", "run-function", "set-variables")
_QUESTION_KINDS = ("send-and-wait-for-reply", "gather-input-on-call")
_HANDOFF_KINDS = ("send-to-flex", "enqueue-call", "connect-call-to")


class StudioBuilder:
    """Builds the steps of one flow into `draft`, and reports what became of each widget."""

    def __init__(self, draft: DraftBuilder, widgets: dict[str, Widget], initial: str) -> None:
        self.draft = draft
        self.widgets = widgets
        self.initial = initial
        answers = {name: draft.answers.name_for(name) for name, widget in widgets.items() if widget.kind in _QUESTION_KINDS}
        self.converter = TextConverter(answers)
        self.flows = NameAllocator([draft.name], "flow")
        self.choice_by_word: dict[str, dict[str, str]] = {}
        """Answer -> word -> choice, for the questions with choices."""
        self.absorbed: dict[str, str] = {}
        """Widgets that became part of another widget's question."""

    def build(self) -> None:
        self._read_variables()
        self._start()
        for widget in self.widgets.values():
            if widget.kind in _QUESTION_KINDS:
                self._absorb_split(widget)
        for widget in self.widgets.values():
            if widget.kind != "trigger" and widget.name not in self.absorbed:
                self._step(widget)
        for name in self.absorbed:
            if self._is_reached_elsewhere(name):
                self._step(self.widgets[name])
        self.draft.put_in_reading_order()

    # Transitions.

    def _is_left_out(self, widget: Widget) -> bool:
        if widget.kind == "say-play":
            return not str(widget.properties.get("say") or "").strip()
        return widget.kind in _SKIPPED_KINDS or KINDS.get(widget.kind, UNKNOWN_KIND)[0] is ImportStatus.LEFT_OUT

    def _next_target(self, widget: Widget) -> str | None:
        return widget.target_of(*SUCCESS_EVENTS) or next((exit.target for exit in widget.exits if exit.target), None)

    def resolve(self, name: str | None) -> str | None:
        """The first widget on a path that is not left out; None if the path ends."""
        seen: set[str] = set()
        while name in self.widgets and self._is_left_out(self.widgets[name]):
            if name in seen:
                return None
            seen.add(name)
            name = self._next_target(self.widgets[name])
        return name

    def step_for(self, name: str | None) -> str | None:
        """The draft step at the end of a source path, or None if the path ends."""
        target = self.resolve(name)
        return self.draft.names.name_for(target) if target else None

    def _end(self, outcome: str = "done") -> str:
        name = self.draft.names.name_for(f":{outcome}", "ended" if outcome == "done" else outcome)
        if name not in self.draft.steps:
            self.draft.add(name, {"end": outcome})
        return name

    @cached_property
    def _reached(self) -> dict[str, set[tuple[str, str]]]:
        """Widget -> the widgets and events that lead to it."""
        found: dict[str, set[tuple[str, str]]] = {}
        for widget in self.widgets.values():
            if not self._is_left_out(widget):
                for exit in widget.exits:
                    if target := self.resolve(exit.target):
                        found.setdefault(target, set()).add((widget.name, exit.event))
        return found

    def _is_reached_elsewhere(self, name: str) -> bool:
        asks = self.absorbed[name]
        inside = {asks, *(other for other, by in self.absorbed.items() if by == asks)}
        return any(source not in inside or (source == asks and event == "timeout")
                   for source, event in self._reached.get(name, ()))  # fmt: skip

    # Reporting.

    def _report(self, widget: Widget, step: str | None, *more: str, fate: ImportStatus | None = None) -> None:
        usual, how = KINDS.get(widget.kind, UNKNOWN_KIND)
        fate = fate or (ImportStatus.APPROXIMATED if more and usual is ImportStatus.CARRIED else usual)
        remarks = [] if usual is ImportStatus.CARRIED else [_CONDITIONS_REMARK if widget.kind == "split-based-on" else how]
        self.draft.report(widget.name, widget.source_kind, fate, " ".join([*remarks, *more]), step)

    def _text(self, widget: Widget, field: str, step: str) -> tuple[str, list[str]]:
        """The draft's text, and remarks for the report."""
        text, lost, holes = self.converter.convert(str(widget.properties.get(field) or ""))
        notes = (
            [f"Its text names `{', '.join(lost)[:300]}`, which is not kept here; it stands in square brackets."]
            if lost
            else []
        )
        for hole in holes:
            notes.append(f"`{hole}` is a placeholder of the tool that the file was made for.")
            self.draft.report_missing(f"The step `{step}` has the placeholder `{hole}` in place of a text; write the text.")
        if widget.properties.get("media_url"):
            notes.append("Its picture or file is left out.")
        return text, notes

    def _unused_exits(self, widget: Widget, used: set[str | None], *events: str) -> list[str]:
        lost = sorted(
            {f"`{e.event}`" for e in widget.exits if e.event in events and e.target and self.resolve(e.target) not in used}
        )
        return [f"The way for {' and '.join(lost)} is left out."] if lost else []

    # Variables and start.

    def _read_variables(self) -> None:
        """Inlines variables that are set once, to a constant or an answer."""
        rows: dict[str, list[str]] = {}
        for widget in self.widgets.values():
            if widget.kind == "set-variables":
                for key, value in key_value_pairs(widget.properties.get("variables")):
                    rows.setdefault(key, []).append(value)
        for key, values in rows.items():
            text, lost, holes = self.converter.convert(values[0])
            if len(set(values)) == 1 and not lost and not holes:
                self.converter.variables[key] = text

    def _start(self) -> None:
        trigger = self.widgets.get(self.initial) or next((w for w in self.widgets.values() if w.kind == "trigger"), None)
        if trigger is None or trigger.kind != "trigger":
            first = trigger or next(iter(self.widgets.values()), None)
            self.draft.start = self.step_for(first.name if first else None) or ""
            return
        target = trigger.target_of(*_STARTS) or next((exit.target for exit in trigger.exits if exit.target), None)
        event = next((exit.event for exit in trigger.exits if exit.target == target), "")
        self.draft.start = self.step_for(target) or self._end()
        notes = (
            [] if event in _STARTS[:2] or not target else [f"No way is meant for texts; the one for `{event}` was taken."]
        )
        notes += [] if target else ["It leads nowhere, so the draft just ends."]
        notes += self._unused_exits(trigger, {self.resolve(target)}, *_STARTS)
        self._report(trigger, self.draft.start, *notes)

    # Steps.

    def _step(self, widget: Widget) -> None:
        if self._is_left_out(widget):
            self._leave_out(widget)
            return
        makers: dict[str, Callable[[Widget, str], None]] = {
            "send-message": self._say, "say-play": self._say, "split-based-on": self._split, "run-subflow": self._run,
            **dict.fromkeys(_QUESTION_KINDS, self._ask), **dict.fromkeys(_HANDOFF_KINDS, self._hand_off),
        }  # fmt: skip
        makers[widget.kind](widget, self.draft.names.name_for(widget.name))

    def _leave_out(self, widget: Widget) -> None:
        _, how = KINDS.get(widget.kind, UNKNOWN_KIND)
        notes = self._unused_exits(
            widget, {self.resolve(self._next_target(widget))}, "failed", "fail", "failure", "timeout", "noAnswer"
        )
        if widget.kind == "set-variables":
            keys = [key for key, _ in key_value_pairs(widget.properties.get("variables"))]
            lost = [f"`{key}`" for key in keys if key not in self.converter.variables]
            notes += [f"{', '.join(lost)} can't be worked out here and is left out."] if lost else []
            fate = ImportStatus.LEFT_OUT if len(lost) == len(keys) else ImportStatus.APPROXIMATED
            self._report(widget, None, *notes, fate=fate)
            return
        if widget.kind == "say-play":
            how = "It only plays a sound, and a text can't."
        self.draft.report(widget.name, widget.source_kind, ImportStatus.LEFT_OUT, " ".join([how, *notes]))

    def _say(self, widget: Widget, name: str) -> None:
        text, notes = self._text(widget, "say" if widget.kind == "say-play" else "body", name)
        target = widget.target_of("sent", "audioComplete")
        data: dict[str, Any] = {"say": text}
        if following := self.step_for(target):
            data["next"] = following
        notes += self._unused_exits(widget, {self.resolve(target)}, "failed")
        self.draft.add(name, data, node=widget.name, kind=widget.source_kind)
        self._report(widget, name, *notes)

    def _hand_off(self, widget: Widget, name: str) -> None:
        because = f"The imported flow sends people to a human here ({widget.name})."
        data = {"handoff": {"team": "anyone", "urgency": "this_shift", "because": because}}
        self.draft.add(name, data, node=widget.name, kind=widget.source_kind)
        notes = self._unused_exits(widget, set(), *{exit.event for exit in widget.exits})
        self._report(widget, name, *notes)

    def _run(self, widget: Widget, name: str) -> None:
        source_name = str(widget.properties.get("flow_sid") or widget.properties.get("flow") or widget.name)
        wish = source_name if source_name.startswith(("$", "{")) else widget.name
        flow = self.flows.name_for(source_name, make_identifier(wish, "flow"))
        self.draft.external_flows[flow] = source_name
        target = widget.target_of("completed", "success", "failed")
        data: dict[str, Any] = {"run": flow, "next": self.step_for(target) or self._end()}
        self.draft.add(name, data, node=widget.name, kind=widget.source_kind)
        notes = ["Its parameters are left out."] if widget.properties.get("parameters") else []
        self._report(widget, name, *notes, *self._unused_exits(widget, {self.resolve(target)}, "failed"))

    # Questions.

    def _split_behind(self, widget: Widget) -> Widget | None:
        """The split directly after this question that tests the reply to it."""
        target = self.resolve(widget.target_of("incomingMessage", "keypress", "speech"))
        split = self.widgets.get(target or "")
        if split is None or split.kind != "split-based-on":
            return None
        return split if replied_widget(str(split.properties.get("input") or "")) == widget.name else None

    def _is_menu(self, widget: Widget, split: Widget) -> bool:
        """Whether the matches of a split can be choices of the question before it.

        A single match where any other answer also goes on is not a menu: the question asks for free text.
        """
        words = [words_of_match(list(exit.conditions)) for exit in split.matches]
        if not words or not all(words):
            return False
        otherwise = self.resolve(split.target_of("noMatch"))
        back = self.widgets[otherwise].target_of("sent", "audioComplete") if otherwise in self.widgets else None
        again = otherwise is None or widget.name in (otherwise, self.resolve(back))
        return len(words) > 1 or (again and len(words[0] or ()) <= MAX_WORDS_OF_SINGLE_CHOICE)

    def _absorb_split(self, widget: Widget) -> None:
        """Notes which widgets become part of this question: a split whose matches are choices, and an apology before the
        question is repeated.
        """
        split = self._split_behind(widget)
        if split is None or split.name in self.absorbed or not self._is_menu(widget, split):
            return
        self.absorbed[split.name] = widget.name
        keys = self.choice_by_word.setdefault(self.converter.answers[widget.name], {})
        for key, words, _ in choices_of(split):
            keys.update({word.lower(): key for word in words})
        sorry = self.widgets.get(self.resolve(split.target_of("noMatch")) or "")
        is_text = sorry is not None and sorry.kind in ("send-message", "say-play") and sorry.name not in self.absorbed
        if sorry and is_text and self.resolve(sorry.target_of("sent", "audioComplete")) == widget.name:
            self.absorbed[sorry.name] = widget.name

    def _ask(self, widget: Widget, name: str) -> None:
        field = "say" if widget.kind == "gather-input-on-call" else "body"
        text, notes = self._text(widget, field, name)
        if not text.strip() and widget.properties.get("play"):
            text = "[a recording]"
            notes.append("Its question is a recording; write it.")
            self.draft.report_missing(f"The step `{name}` asks with a recording; write the question.")
        data: dict[str, Any] = {"ask": text, "save": self.converter.answers[widget.name]}
        taken = [self.widgets[other] for other, by in self.absorbed.items() if by == widget.name]
        split = next((other for other in taken if other.kind == "split-based-on"), None)
        if split is not None:
            self._add_choices(widget, split, name, data)
        else:
            data["answer"] = "text"
            data["next"] = self.step_for(widget.target_of("incomingMessage", "keypress", "speech")) or self._end()
        self._add_wait(widget, data)
        notes += self._unused_exits(
            widget, {self.resolve(widget.target_of("incomingMessage", "keypress", "speech"))}, "speech", "deliveryFailure"
        )
        self.draft.add(name, data, node=widget.name, kind=widget.source_kind)
        self._report(widget, name, *notes)

    def _add_wait(self, widget: Widget, data: dict[str, Any]) -> None:
        seconds = seconds_of(widget.properties.get("timeout"))
        is_call = widget.kind == "gather-input-on-call"
        # On a call, silence is counted in seconds; a person who texts gets a day.
        after = "1d" if is_call or seconds is None else format_seconds(seconds)
        if is_call or seconds is not None or widget.target_of("timeout"):
            data["wait"] = {
                "after": after,
                "go": (None if is_call else self.step_for(widget.target_of("timeout"))) or self._end("no_reply"),
            }

    def _add_choices(self, widget: Widget, split: Widget, name: str, data: dict[str, Any]) -> None:
        """Makes the split's matches the choices of this question, and its other exit the answer that is not understood."""
        rows = menu_rows(data["ask"])
        labels = {**inline_labels(data["ask"]), **rows}
        data["choices"] = {
            key: {"label": label_of(words, exit, labels), "words": words, "go": self.step_for(exit.target) or self._end()}
            for key, words, exit in choices_of(split)
        }
        notes: list[str] = []
        if rows and all(any(word in rows for word in words) for _, words, _ in choices_of(split)):
            data["ask"] = without_menu(data["ask"])
            notes.append("The lines of its menu are the labels of the choices.")
        self._add_not_understood(widget, split, data, notes)
        self.draft.report(
            split.name, split.source_kind, ImportStatus.APPROXIMATED, " ".join([_CHOICES_REMARK, *notes]), name
        )

    def _add_not_understood(self, widget: Widget, split: Widget, data: dict[str, Any], notes: list[str]) -> None:
        target = self.resolve(split.target_of("noMatch"))
        if target is None:
            notes.append("Where nothing matches their flow stops; here it is asked again, and then a human is called.")
        elif target == widget.name:
            notes.append("It is asked again twice, and then a human is called.")
        elif self.absorbed.get(target) == widget.name:
            sorry = self.widgets[target]
            text, more = self._text(
                sorry, "say" if sorry.kind == "say-play" else "body", self.draft.names.name_for(widget.name)
            )
            data["not_understood"] = {"tries": 2, **({"say": text} if text.strip() else {})}
            how = "It is said before the question is asked again, twice at most; then a human is called."
            self.draft.report(
                sorry.name,
                sorry.source_kind,
                ImportStatus.APPROXIMATED,
                " ".join([how, *more]),
                self.draft.names.name_for(widget.name),
            )
        else:
            data["not_understood"] = {"tries": 1, "go": self.draft.names.name_for(target)}

    # Splits that are not menus.

    def _split(self, widget: Widget, name: str) -> None:
        answer = self.converter.answer_name(str(widget.properties.get("input") or ""))
        notes: list[str] = []
        if not answer:
            looked_at = str(widget.properties.get("input") or "nothing")[:200]
            notes.append(f"It looks at `{looked_at}`, which is not known here, so it goes the way where nothing matches.")
        branches = list(self._branches(widget, answer, notes))
        otherwise = self.step_for(widget.target_of("noMatch"))
        if not answer and not otherwise:
            # Their product would have known the value. Warmline does not, and silence would leave the person without an
            # answer.
            otherwise = add_handoff(
                self.draft, f"{name}_human", "The imported flow looked at something that is not known here."
            )
            notes.append("That way leads nowhere there; here a human is called.")
        data: dict[str, Any] = {"decide": True, "next": [*branches, {"go": otherwise or self._end()}]}
        note = " ".join(notes) if notes else ""
        self.draft.add(name, data, node=widget.name, kind=widget.source_kind, note=note)
        self._report(widget, name, *notes)

    def _branches(self, widget: Widget, answer: str | None, notes: list[str]) -> Iterator[dict[str, str]]:
        """The branches for the matches. One that can't be expressed never holds, so that the steps behind it stay in the
        draft.
        """
        for exit in widget.matches:
            made = [
                to_condition(one, answer, self.choice_by_word.get(answer, {})) if answer else None for one in exit.conditions
            ]
            known = [one for one in made if one]
            if not known or len(known) < len(made):
                what = ", ".join(f"{one.get('type')} {str(one.get('value') or '')[:80]}".strip() for one in exit.conditions)
                if not exit.target:
                    continue
                notes.append(f"Write a condition where it says `false`, or take that way out; there it was `{what}`.")
                known = [NEVER_CONDITION]
            when = known[0] if len(known) == 1 else " and ".join(f"({one})" for one in known)
            yield {"when": when, "go": self.step_for(exit.target) or self._end()}
