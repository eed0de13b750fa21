"""The ways of a draft made whole: every target there, every step going on, no circle without a wait, none never reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from jinja2 import nodes

from bot.domain.flow import ENVIRONMENT
from bot.domain.flow_import.drafting import Drafting, StepDraft, ways
from bot.domain.flow_import.report import Fate, Item
from bot.domain.flow_reader import names_in, template_problems
from bot.domain.script import STEP_KINDS

DONE = "done"
"""The outcome of a flow of theirs that just stops."""
TEAM = "anyone"
UNREACHED = "No text from a person leads here, so the draft does not hold it."


def kind_of(step: StepDraft) -> str:
    """Which kind of step the data is (`ask`, `say`, ...)."""
    return next((key for key in STEP_KINDS if key in step.data), "end")


def call_human(draft: Drafting, wish: str, because: str) -> str:
    """A new step that calls a human, put at the end; gives its name."""
    name = draft.names.fresh(wish)
    draft.add(name, {"handoff": {"team": TEAM, "urgency": "this_shift", "because": because}})
    return name


def mend_targets(draft: Drafting) -> None:
    """A start that is there, and a human where a way leads to nothing."""
    if draft.start not in draft.steps:
        if draft.start:
            how = "The flow begins with something that is not in the file; it begins with the first step instead."
            draft.tell(draft.title, "start", Fate.APPROXIMATED, how)
        draft.start = next(iter(draft.steps))
    made: dict[str, str] = {}
    for step in list(draft.steps.values()):
        for holder, key in ways(step.data):
            target = holder[key]
            if target not in draft.steps:
                if target not in made:
                    made[target] = call_human(
                        draft, "not_there", f"The imported flow leads to {target}, which is not there."
                    )
                how = f"It leads to `{target}`, which is not in the file; a human is called there."
                draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, made[target])
                holder[key] = made[target]


def mend_ends(draft: Drafting) -> None:
    """Every step goes on or ends; of several ways the last one holds always, and none stands below it."""
    for step in list(draft.steps.values()):
        list(ways(step.data))  # writes `next` as a list
        _mend_branches(draft, step)
        kind = kind_of(step)
        if step.data.get("next") or kind == "end":
            continue
        step.data.pop("next", None)
        if kind == "say":
            step.data.setdefault("end", DONE)
        elif kind == "ask":
            if not step.data.get("choices") or not all(choice.get("go") for choice in step.data["choices"].values()):
                step.data["next"] = [{"go": _end(draft)}]
        elif kind != "handoff":
            step.data["next"] = [{"go": _end(draft)}]


def _mend_branches(draft: Drafting, step: StepDraft) -> None:
    rows = step.data.get("next") or []
    last = next((at for at, branch in enumerate(rows) if not branch.get("when")), None)
    if last is None and rows:
        rows.append({"go": _end(draft)})
    elif last is not None:
        if rows[last + 1 :]:
            how = "Ways below one that is always taken are left out."
            draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
        rows[last:] = [{"go": rows[last]["go"]}]
    if step.data.get("end") is not None and rows:
        del step.data["end"]
    if rows:
        step.data["next"] = rows


def _end(draft: Drafting) -> str:
    name = draft.names.of(":end", "ended")
    if name not in draft.steps:
        draft.add(name, {"end": DONE})
    return name


# Conditions.


def mend_conditions(draft: Drafting, known: Collection[str], options: Mapping[str, Collection[str]]) -> None:
    """Conditions that can't be read, name an answer that nobody keeps or compare it with what it never is are left out."""
    for step in draft.steps.values():
        kept = []
        for branch in step.data.get("next") or ():
            why = _why_not(branch.get("when"), known, options)
            if why:
                how = f"The way for `{str(branch['when'])[:200]}` is left out: {why}."
                draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
            else:
                kept.append(branch)
        if "next" in step.data:
            step.data["next"] = kept


def _why_not(when: str | None, known: Collection[str], options: Mapping[str, Collection[str]]) -> str:
    if when is None:
        return ""
    if problems := template_problems(when, is_condition=True):
        return problems[0].rstrip(".")
    if unknown := sorted(names_in(when, is_condition=True) - set(known)):
        return f"no answer is kept as `{unknown[0]}`"
    for name, value in _compared(when):
        if name in options and value not in options[name]:
            return f"`{name}` is never `{value}`"
    return ""


def _compared(when: str) -> list[tuple[str, str]]:
    found = []
    for compare in ENVIRONMENT.parse(f"{{{{ ({when}\n) }}}}").find_all(nodes.Compare):
        for operand in compare.ops:
            values = getattr(operand.expr, "items", [operand.expr])
            if isinstance(compare.expr, nodes.Name):
                found += [
                    (compare.expr.name, v.value) for v in values if isinstance(v, nodes.Const) and isinstance(v.value, str)
                ]
    return found


# Circles.


def circle_edge(start: Sequence[str], leads: Callable[[str], Sequence[str]]) -> tuple[str, str] | None:
    """A way that closes a circle, found from these starts on; None where there is no circle."""
    state: dict[str, int] = {}
    for first in start:
        if first in state:
            continue
        state[first] = 1
        stack = [(first, iter(leads(first)))]
        while stack:
            here, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                state[here] = 2
                stack.pop()
            elif state.get(target) == 1:
                return here, target
            elif target not in state:
                state[target] = 1
                stack.append((target, iter(leads(target))))
    return None


def mend_circles(draft: Drafting, waits: Callable[[StepDraft], bool]) -> None:
    """Where the flow would go round without waiting for the person, it calls a human in place of going back."""

    def leads(name: str) -> list[str]:
        step = draft.steps[name]
        return [] if waits(step) else [holder[key] for holder, key in ways(step.data)]

    human = ""
    while (edge := circle_edge([draft.start, *draft.steps], leads)) is not None:
        step = draft.steps[edge[0]]
        human = human or call_human(draft, "round_again", "The imported flow goes round here without waiting.")
        for holder, key in ways(step.data):
            if holder[key] == edge[1]:
                holder[key] = human
        how = f"It leads back to `{edge[1]}` without waiting for the person; a human is called in place of that."
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)


def drop_unreached(draft: Drafting) -> bool:
    """Takes out the steps to which no way leads, and says so of their parts. True where any was taken out."""
    reached = {draft.start}
    waiting = [draft.start]
    while waiting:
        for holder, key in ways(draft.steps[waiting.pop()].data):
            if holder[key] not in reached:
                reached.add(holder[key])
                waiting.append(holder[key])
    gone = {name for name in draft.steps if name not in reached}
    alive = {draft.steps[name].node for name in reached}
    for name in gone:
        del draft.steps[name]
    draft.items = _told_of(draft.items, gone, alive)
    return bool(gone)


def _told_of(items: list[Item], gone: Collection[str], alive: Collection[str]) -> list[Item]:
    """The items of parts whose steps are all gone become one: left out, as nothing leads there."""
    made: dict[Item, None] = {}
    for item in items:
        if item.step in gone:
            if item.node in alive:
                item = Item(item.node, item.kind, item.fate, item.how)
            else:
                item = Item(item.node, item.kind, Fate.LEFT_OUT, UNREACHED)
        made[item] = None
    return list(made)
