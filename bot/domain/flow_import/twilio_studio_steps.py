"""The widgets of one Studio flow as steps of a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from bot.domain.flow_import.drafting import Drafting, Names, duration, fit_name
from bot.domain.flow_import.drafting_ways import call_human
from bot.domain.flow_import.report import Fate
from bot.domain.flow_import.twilio_studio_kinds import GOES_ON, KINDS, UNKNOWN
from bot.domain.flow_import.twilio_studio_model import Widget, choices_of, label_of, pairs, seconds_of
from bot.domain.flow_import.twilio_studio_splits import as_condition, labels_inline, menu_rows, without_menu, words_of_match
from bot.domain.flow_import.twilio_studio_texts import Words, reply_of

MOST_WORDS_OF_ONE_CHOICE = 3
"""A split with one match of more words than that checks an answer; it is not a menu."""
_CHOICES = "Its matches are the choices of the question before it."
_CONDITIONS = "It decides by conditions."
NEVER = "false"
"""The condition of a way whose own can't be said here: the steps behind it stay in the draft, for who edits it."""
_STARTS = ("incomingMessage", "incomingConversationMessage", "incomingRequest", "incomingParent", "incomingCall")
_PASSED_BY = ("make-http-request", "run-function", "set-variables")
_ASKS = ("send-and-wait-for-reply", "gather-input-on-call")
_CALLS = ("send-to-flex", "enqueue-call", "connect-call-to")


class Studio:
    """Builds the steps of one flow into `draft`, and tells of each widget what became of it."""

    def __init__(self, draft: Drafting, widgets: dict[str, Widget], initial: str) -> None:
        self.draft = draft
        self.widgets = widgets
        self.initial = initial
        answers = {name: draft.answers.of(name) for name, widget in widgets.items() if widget.kind in _ASKS}
        self.words = Words(answers)
        self.flows = Names([draft.name], "flow")
        self.keys: dict[str, dict[str, str]] = {}
        """Answer -> word -> choice, for the questions with choices."""
        self.taken_in: dict[str, str] = {}
        """Widgets that became part of the question of another one."""

    def build(self) -> None:
        self._read_variables()
        self._start()
        for widget in self.widgets.values():
            if widget.kind in _ASKS:
                self._take_in(widget)
        for widget in self.widgets.values():
            if widget.kind != "trigger" and widget.name not in self.taken_in:
                self._step(widget)
        for name in self.taken_in:
            if self._is_reached_otherwise(name):
                self._step(self.widgets[name])
        self.draft.put_in_reading_order()

    # Ways.

    def _is_left_out(self, widget: Widget) -> bool:
        if widget.kind == "say-play":
            return not str(widget.properties.get("say") or "").strip()
        return widget.kind in _PASSED_BY or KINDS.get(widget.kind, UNKNOWN)[0] is Fate.LEFT_OUT

    def _goes_on(self, widget: Widget) -> str | None:
        return widget.way(*GOES_ON) or next((exit.target for exit in widget.exits if exit.target), None)

    def arrives(self, name: str | None) -> str | None:
        """The widget at which a way arrives behind those that are left out; None where it ends."""
        seen: set[str] = set()
        while name in self.widgets and self._is_left_out(self.widgets[name]):
            if name in seen:
                return None
            seen.add(name)
            name = self._goes_on(self.widgets[name])
        return name

    def step(self, name: str | None) -> str | None:
        """The name of our step for a way of theirs, or None where it ends."""
        target = self.arrives(name)
        return self.draft.names.of(target) if target else None

    def _end(self, outcome: str = "done") -> str:
        name = self.draft.names.of(f":{outcome}", "ended" if outcome == "done" else outcome)
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
                    if target := self.arrives(exit.target):
                        found.setdefault(target, set()).add((widget.name, exit.event))
        return found

    def _is_reached_otherwise(self, name: str) -> bool:
        asks = self.taken_in[name]
        inside = {asks, *(other for other, by in self.taken_in.items() if by == asks)}
        return any(source not in inside or (source == asks and event == "timeout")
                   for source, event in self._reached.get(name, ()))  # fmt: skip

    # Telling.

    def _tell(self, widget: Widget, step: str | None, *more: str, fate: Fate | None = None) -> None:
        usual, how = KINDS.get(widget.kind, UNKNOWN)
        fate = fate or (Fate.APPROXIMATED if more and usual is Fate.CARRIED else usual)
        said = [] if usual is Fate.CARRIED else [_CONDITIONS if widget.kind == "split-based-on" else how]
        self.draft.tell(widget.name, widget.theirs, fate, " ".join([*said, *more]), step)

    def _text(self, widget: Widget, field: str, step: str) -> tuple[str, list[str]]:
        """Our text, and what is to be said of it."""
        text, lost, holes = self.words.text(str(widget.properties.get(field) or ""))
        told = (
            [f"Its text names `{', '.join(lost)[:300]}`, which is not kept here; it stands in square brackets."]
            if lost
            else []
        )
        for hole in holes:
            told.append(f"`{hole}` is a placeholder of the tool that the file was made for.")
            self.draft.miss(f"The step `{step}` has the placeholder `{hole}` in place of a text; write the text.")
        if widget.properties.get("media_url"):
            told.append("Its picture or file is left out.")
        return text, told

    def _unused_ways(self, widget: Widget, used: set[str | None], *events: str) -> list[str]:
        lost = sorted(
            {f"`{e.event}`" for e in widget.exits if e.event in events and e.target and self.arrives(e.target) not in used}
        )
        return [f"The way for {' and '.join(lost)} is left out."] if lost else []

    # Variables and start.

    def _read_variables(self) -> None:
        """Variables that are set once, to a constant or an answer, are written where they are used."""
        rows: dict[str, list[str]] = {}
        for widget in self.widgets.values():
            if widget.kind == "set-variables":
                for key, value in pairs(widget.properties.get("variables")):
                    rows.setdefault(key, []).append(value)
        for key, values in rows.items():
            text, lost, holes = self.words.text(values[0])
            if len(set(values)) == 1 and not lost and not holes:
                self.words.variables[key] = text

    def _start(self) -> None:
        trigger = self.widgets.get(self.initial) or next((w for w in self.widgets.values() if w.kind == "trigger"), None)
        if trigger is None or trigger.kind != "trigger":
            first = trigger or next(iter(self.widgets.values()), None)
            self.draft.start = self.step(first.name if first else None) or ""
            return
        target = trigger.way(*_STARTS) or next((exit.target for exit in trigger.exits if exit.target), None)
        event = next((exit.event for exit in trigger.exits if exit.target == target), "")
        self.draft.start = self.step(target) or self._end()
        told = [] if event in _STARTS[:2] or not target else [f"No way is meant for texts; the one for `{event}` was taken."]
        told += [] if target else ["It leads nowhere, so the draft just ends."]
        told += self._unused_ways(trigger, {self.arrives(target)}, *_STARTS)
        self._tell(trigger, self.draft.start, *told)

    # Steps.

    def _step(self, widget: Widget) -> None:
        if self._is_left_out(widget):
            self._leave_out(widget)
            return
        makers: dict[str, Callable[[Widget, str], None]] = {
            "send-message": self._say, "say-play": self._say, "split-based-on": self._split, "run-subflow": self._run,
            **dict.fromkeys(_ASKS, self._ask), **dict.fromkeys(_CALLS, self._call),
        }  # fmt: skip
        makers[widget.kind](widget, self.draft.names.of(widget.name))

    def _leave_out(self, widget: Widget) -> None:
        _, how = KINDS.get(widget.kind, UNKNOWN)
        told = self._unused_ways(
            widget, {self.arrives(self._goes_on(widget))}, "failed", "fail", "failure", "timeout", "noAnswer"
        )
        if widget.kind == "set-variables":
            keys = [key for key, _ in pairs(widget.properties.get("variables"))]
            lost = [f"`{key}`" for key in keys if key not in self.words.variables]
            told += [f"{', '.join(lost)} can't be worked out here and is left out."] if lost else []
            fate = Fate.LEFT_OUT if len(lost) == len(keys) else Fate.APPROXIMATED
            self._tell(widget, None, *told, fate=fate)
            return
        if widget.kind == "say-play":
            how = "It only plays a sound, and a text can't."
        self.draft.tell(widget.name, widget.theirs, Fate.LEFT_OUT, " ".join([how, *told]))

    def _say(self, widget: Widget, name: str) -> None:
        text, told = self._text(widget, "say" if widget.kind == "say-play" else "body", name)
        target = widget.way("sent", "audioComplete")
        data: dict[str, Any] = {"say": text}
        if following := self.step(target):
            data["next"] = following
        told += self._unused_ways(widget, {self.arrives(target)}, "failed")
        self.draft.add(name, data, node=widget.name, kind=widget.theirs)
        self._tell(widget, name, *told)

    def _call(self, widget: Widget, name: str) -> None:
        because = f"The imported flow sends people to a human here ({widget.name})."
        data = {"handoff": {"team": "anyone", "urgency": "this_shift", "because": because}}
        self.draft.add(name, data, node=widget.name, kind=widget.theirs)
        told = self._unused_ways(widget, set(), *{exit.event for exit in widget.exits})
        self._tell(widget, name, *told)

    def _run(self, widget: Widget, name: str) -> None:
        theirs = str(widget.properties.get("flow_sid") or widget.properties.get("flow") or widget.name)
        wish = theirs if theirs.startswith(("$", "{")) else widget.name
        flow = self.flows.of(theirs, fit_name(wish, "flow"))
        self.draft.outside[flow] = theirs
        target = widget.way("completed", "success", "failed")
        data: dict[str, Any] = {"run": flow, "next": self.step(target) or self._end()}
        self.draft.add(name, data, node=widget.name, kind=widget.theirs)
        told = ["Its parameters are left out."] if widget.properties.get("parameters") else []
        self._tell(widget, name, *told, *self._unused_ways(widget, {self.arrives(target)}, "failed"))

    # Questions.

    def _split_behind(self, widget: Widget) -> Widget | None:
        """The split that looks at the reply to this question, right behind it."""
        target = self.arrives(widget.way("incomingMessage", "keypress", "speech"))
        split = self.widgets.get(target or "")
        if split is None or split.kind != "split-based-on":
            return None
        return split if reply_of(str(split.properties.get("input") or "")) == widget.name else None

    def _is_menu(self, widget: Widget, split: Widget) -> bool:
        """Whether the matches of a split can be choices of the question before it.

        A single match beside which any other answer leads on is no menu: the free answer is what is asked for.
        """
        words = [words_of_match(list(exit.conditions)) for exit in split.matches]
        if not words or not all(words):
            return False
        otherwise = self.arrives(split.way("noMatch"))
        back = self.widgets[otherwise].way("sent", "audioComplete") if otherwise in self.widgets else None
        again = otherwise is None or widget.name in (otherwise, self.arrives(back))
        return len(words) > 1 or (again and len(words[0] or ()) <= MOST_WORDS_OF_ONE_CHOICE)

    def _take_in(self, widget: Widget) -> None:
        """Notes which widgets become part of this question: a split whose matches are choices, an apology before it is asked
        again.
        """
        split = self._split_behind(widget)
        if split is None or split.name in self.taken_in or not self._is_menu(widget, split):
            return
        self.taken_in[split.name] = widget.name
        keys = self.keys.setdefault(self.words.answers[widget.name], {})
        for key, words, _ in choices_of(split):
            keys.update({word.lower(): key for word in words})
        sorry = self.widgets.get(self.arrives(split.way("noMatch")) or "")
        is_text = sorry is not None and sorry.kind in ("send-message", "say-play") and sorry.name not in self.taken_in
        if sorry and is_text and self.arrives(sorry.way("sent", "audioComplete")) == widget.name:
            self.taken_in[sorry.name] = widget.name

    def _ask(self, widget: Widget, name: str) -> None:
        field = "say" if widget.kind == "gather-input-on-call" else "body"
        text, told = self._text(widget, field, name)
        if not text.strip() and widget.properties.get("play"):
            text = "[a recording]"
            told.append("Its question is a recording; write it.")
            self.draft.miss(f"The step `{name}` asks with a recording; write the question.")
        data: dict[str, Any] = {"ask": text, "save": self.words.answers[widget.name]}
        taken = [self.widgets[other] for other, by in self.taken_in.items() if by == widget.name]
        split = next((other for other in taken if other.kind == "split-based-on"), None)
        if split is not None:
            self._choose(widget, split, name, data)
        else:
            data["answer"] = "text"
            data["next"] = self.step(widget.way("incomingMessage", "keypress", "speech")) or self._end()
        self._add_patience(widget, data)
        told += self._unused_ways(
            widget, {self.arrives(widget.way("incomingMessage", "keypress", "speech"))}, "speech", "deliveryFailure"
        )
        self.draft.add(name, data, node=widget.name, kind=widget.theirs)
        self._tell(widget, name, *told)

    def _add_patience(self, widget: Widget, data: dict[str, Any]) -> None:
        seconds = seconds_of(widget.properties.get("timeout"))
        is_call = widget.kind == "gather-input-on-call"
        # On a call silence is counted in seconds; a person who texts is given the day.
        after = "1d" if is_call or seconds is None else duration(seconds)
        if is_call or seconds is not None or widget.way("timeout"):
            data["wait"] = {
                "after": after,
                "go": (None if is_call else self.step(widget.way("timeout"))) or self._end("no_reply"),
            }

    def _choose(self, widget: Widget, split: Widget, name: str, data: dict[str, Any]) -> None:
        """Makes the split's matches the choices of this question, and its other way that of an answer not understood."""
        rows = menu_rows(data["ask"])
        labels = {**labels_inline(data["ask"]), **rows}
        data["choices"] = {
            key: {"label": label_of(words, exit, labels), "words": words, "go": self.step(exit.target) or self._end()}
            for key, words, exit in choices_of(split)
        }
        told: list[str] = []
        if rows and all(any(word in rows for word in words) for _, words, _ in choices_of(split)):
            data["ask"] = without_menu(data["ask"])
            told.append("The lines of its menu are the labels of the choices.")
        self._not_matched(widget, split, data, told)
        self.draft.tell(split.name, split.theirs, Fate.APPROXIMATED, " ".join([_CHOICES, *told]), name)

    def _not_matched(self, widget: Widget, split: Widget, data: dict[str, Any], told: list[str]) -> None:
        target = self.arrives(split.way("noMatch"))
        if target is None:
            told.append("Where nothing matches their flow stops; here it is asked again, and then a human is called.")
        elif target == widget.name:
            told.append("It is asked again twice, and then a human is called.")
        elif self.taken_in.get(target) == widget.name:
            sorry = self.widgets[target]
            text, more = self._text(sorry, "say" if sorry.kind == "say-play" else "body", self.draft.names.of(widget.name))
            data["not_understood"] = {"tries": 2, **({"say": text} if text.strip() else {})}
            how = "It is said before the question is asked again, twice at most; then a human is called."
            self.draft.tell(
                sorry.name, sorry.theirs, Fate.APPROXIMATED, " ".join([how, *more]), self.draft.names.of(widget.name)
            )
        else:
            data["not_understood"] = {"tries": 1, "go": self.draft.names.of(target)}

    # Splits that are no menu.

    def _split(self, widget: Widget, name: str) -> None:
        answer = self.words.answer(str(widget.properties.get("input") or ""))
        told: list[str] = []
        if not answer:
            looked_at = str(widget.properties.get("input") or "nothing")[:200]
            told.append(f"It looks at `{looked_at}`, which is not known here, so it goes the way where nothing matches.")
        branches = list(self._branches(widget, answer, told))
        otherwise = self.step(widget.way("noMatch"))
        if not answer and not otherwise:
            # Their flow would have known; ours does not, and nobody should be met with silence for that.
            otherwise = call_human(
                self.draft, f"{name}_human", "The imported flow looked at something that is not known here."
            )
            told.append("That way leads nowhere there; here a human is called.")
        data: dict[str, Any] = {"decide": True, "next": [*branches, {"go": otherwise or self._end()}]}
        note = " ".join(told) if told else ""
        self.draft.add(name, data, node=widget.name, kind=widget.theirs, note=note)
        self._tell(widget, name, *told)

    def _branches(self, widget: Widget, answer: str | None, told: list[str]) -> Iterator[dict[str, str]]:
        """Our ways for the matches. One that can't be said never holds, so that the steps behind it stay in the draft."""
        for exit in widget.matches:
            made = [as_condition(one, answer, self.keys.get(answer, {})) if answer else None for one in exit.conditions]
            known = [one for one in made if one]
            if not known or len(known) < len(made):
                what = ", ".join(f"{one.get('type')} {str(one.get('value') or '')[:80]}".strip() for one in exit.conditions)
                if not exit.target:
                    continue
                told.append(f"Write a condition where it says `false`, or take that way out; there it was `{what}`.")
                known = [NEVER]
            when = known[0] if len(known) == 1 else " and ".join(f"({one})" for one in known)
            yield {"when": when, "go": self.step(exit.target) or self._end()}
