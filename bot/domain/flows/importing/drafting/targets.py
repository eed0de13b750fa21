"""Repairs a draft's transitions: targets exist, every step goes on, no endless loops, no unreachable steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from jinja2 import nodes

from bot.domain.flows.importing.drafting.draft import DraftBuilder, StepDraft, step_references
from bot.domain.flows.importing.report import ImportItem, ImportStatus
from bot.domain.flows.language.flow import ENVIRONMENT
from bot.domain.flows.language.reader import names_in, template_problems
from bot.domain.flows.language.script import STEP_KINDS

DEFAULT_OUTCOME = "done"
"""The outcome of a source flow that just stops."""
TEAM = "anyone"
UNREACHABLE_REMARK = "No text from a person leads here, so the draft does not hold it."


def step_kind(step: StepDraft) -> str:
    """The kind of step that the data is (`ask`, `say`, ...)."""
    return next((key for key in STEP_KINDS if key in step.data), "end")


def add_handoff(draft: DraftBuilder, preferred: str, because: str) -> str:
    """Appends a new handoff step; returns its name."""
    name = draft.names.allocate(preferred)
    draft.add(name, {"handoff": {"team": TEAM, "urgency": "this_shift", "because": because}})
    return name


def fix_targets(draft: DraftBuilder) -> None:
    """Makes sure that the start exists, and hands off wherever a transition leads nowhere."""
    if draft.start not in draft.steps:
        if draft.start:
            how = "The flow begins with something that is not in the file; it begins with the first step instead."
            draft.report(draft.title, "start", ImportStatus.APPROXIMATED, how)
        draft.start = next(iter(draft.steps))
    made: dict[str, str] = {}
    for step in list(draft.steps.values()):
        for holder, key in step_references(step.data):
            target = holder[key]
            if target not in draft.steps:
                if target not in made:
                    made[target] = add_handoff(
                        draft, "not_there", f"The imported flow leads to {target}, which is not there."
                    )
                how = f"It leads to `{target}`, which is not in the file; a human is called there."
                draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, made[target])
                holder[key] = made[target]


def fix_ends(draft: DraftBuilder) -> None:
    """Makes every step go on or end; the last of several branches always holds, and none stands after it."""
    for step in list(draft.steps.values()):
        list(step_references(step.data))  # writes `next` as a list
        _fix_branches(draft, step)
        kind = step_kind(step)
        if step.data.get("next") or kind == "end":
            continue
        step.data.pop("next", None)
        if kind == "say":
            step.data.setdefault("end", DEFAULT_OUTCOME)
        elif kind == "ask":
            if not step.data.get("choices") or not all(choice.get("go") for choice in step.data["choices"].values()):
                step.data["next"] = [{"go": _end(draft)}]
        elif kind != "handoff":
            step.data["next"] = [{"go": _end(draft)}]


def _fix_branches(draft: DraftBuilder, step: StepDraft) -> None:
    rows = step.data.get("next") or []
    last = next((at for at, branch in enumerate(rows) if not branch.get("when")), None)
    if last is None and rows:
        rows.append({"go": _end(draft)})
    elif last is not None:
        if rows[last + 1 :]:
            how = "Ways below one that is always taken are left out."
            draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
        rows[last:] = [{"go": rows[last]["go"]}]
    if step.data.get("end") is not None and rows:
        del step.data["end"]
    if rows:
        step.data["next"] = rows


def _end(draft: DraftBuilder) -> str:
    name = draft.names.name_for(":end", "ended")
    if name not in draft.steps:
        draft.add(name, {"end": DEFAULT_OUTCOME})
    return name


# Conditions.


def fix_conditions(draft: DraftBuilder, known: Collection[str], options: Mapping[str, Collection[str]]) -> None:
    """Drops conditions that can't be read, name an answer no step saves, or compare it with an impossible value."""
    for step in draft.steps.values():
        kept = []
        for branch in step.data.get("next") or ():
            why = _condition_problem(branch.get("when"), known, options)
            if why:
                how = f"The way for `{str(branch['when'])[:200]}` is left out: {why}."
                draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
            else:
                kept.append(branch)
        if "next" in step.data:
            step.data["next"] = kept


def _condition_problem(when: str | None, known: Collection[str], options: Mapping[str, Collection[str]]) -> str:
    if when is None:
        return ""
    if problems := template_problems(when, is_condition=True):
        return problems[0].rstrip(".")
    if unknown := sorted(names_in(when, is_condition=True) - set(known)):
        return f"no answer is kept as `{unknown[0]}`"
    for name, value in _comparisons(when):
        if name in options and value not in options[name]:
            return f"`{name}` is never `{value}`"
    return ""


def _comparisons(when: str) -> list[tuple[str, str]]:
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


def find_cycle_edge(start: Sequence[str], successors: Callable[[str], Sequence[str]]) -> tuple[str, str] | None:
    """An edge that closes a cycle reachable from these starts; None if there is none."""
    state: dict[str, int] = {}
    for first in start:
        if first in state:
            continue
        state[first] = 1
        stack = [(first, iter(successors(first)))]
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
                stack.append((target, iter(successors(target))))
    return None


def break_cycles(draft: DraftBuilder, waits: Callable[[StepDraft], bool]) -> None:
    """Where the flow would loop without waiting for the person, hands off instead of looping back."""

    def leads(name: str) -> list[str]:
        step = draft.steps[name]
        return [] if waits(step) else [holder[key] for holder, key in step_references(step.data)]

    human = ""
    while (edge := find_cycle_edge([draft.start, *draft.steps], leads)) is not None:
        step = draft.steps[edge[0]]
        human = human or add_handoff(draft, "round_again", "The imported flow goes round here without waiting.")
        for holder, key in step_references(step.data):
            if holder[key] == edge[1]:
                holder[key] = human
        how = f"It leads back to `{edge[1]}` without waiting for the person; a human is called in place of that."
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)


def drop_unreachable(draft: DraftBuilder) -> bool:
    """Drops unreachable steps and reports it for their source parts. Returns whether any was dropped."""
    reached = {draft.start}
    waiting = [draft.start]
    while waiting:
        for holder, key in step_references(draft.steps[waiting.pop()].data):
            if holder[key] not in reached:
                reached.add(holder[key])
                waiting.append(holder[key])
    removed = {name for name in draft.steps if name not in reached}
    alive = {draft.steps[name].node for name in reached}
    for name in removed:
        del draft.steps[name]
    draft.items = _merge_items(draft.items, removed, alive)
    return bool(removed)


def _merge_items(items: list[ImportItem], gone: Collection[str], alive: Collection[str]) -> list[ImportItem]:
    """Merges the items of parts whose steps are all gone into one: left out, because nothing leads there."""
    made: dict[ImportItem, None] = {}
    for item in items:
        if item.step in gone:
            if item.node in alive:
                item = ImportItem(item.node, item.kind, item.status, item.remark)
            else:
                item = ImportItem(item.node, item.kind, ImportStatus.LEFT_OUT, UNREACHABLE_REMARK)
        made[item] = None
    return list(made)
