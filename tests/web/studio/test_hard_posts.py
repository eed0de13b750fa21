"""Whatever is posted to the studio, by any role: the answer is a page that says why, never a crash, never a breach."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.tables.studio import DraftRevision
from bot.usecases.studio import edit_draft
from tests.support.console import make_staff, post, signed_in
from tests.support.demo import Demo

NASTY = (
    "", "-1", "0", "99999999999999999999", "9" * 5000, "\0", "a\0b", "\x01\x7f", "welcome", "nowhere", "🙈" * 50,
    "<img src=x onerror=alert(1)>", "../../etc/passwd", "{{ 7 * 7 }}", "{% for %}", "a: [", "&a [*a]", "x" * 3000,
    "\r\n\r\n", "2026-13-45", "9999-12-31T23:59", "0001-01-01T00:00", "\u00ed\u00a0\u0080",
)  # fmt: skip
NAMES = (
    "seen", "step", "name", "to", "kind", "is_new", "after", "act", "source", "title", "purpose", "start", "segments",
    "menu", "safety", "text.ask", "text.say", "text.say.es", "text.lost_say", "plain.answer", "plain.save", "plain.tries",
    "plain.wait_after", "plain.note", "plain.team", "plain.need", "plain.limit", "plain.flow", "plain.after", "plain.run",
    "choice.1.at", "choice.1.name", "choice.1.was", "choice.1.label", "choice.1.words", "choice.1.go", "choice.1.label.es",
    "choice.2.name", "choice.2.label", "choice.99999999.name", "next.1.when", "next.1.go", "next.2.when", "next.2.go",
    "why", "at", "when", "moves_live", "along", "reason:x", "step:need", "step:<b>", "version", "tab",
)  # fmt: skip
MINE = ("flows.", "steps.", "step_acts.", "source.", "publish.", "history.")


def enter(demo: Demo, *roles: str) -> FlaskClient:
    return signed_in(demo.app, make_staff(demo.runtime, f"{'.'.join(roles)}@example.org", roles))


def rules(demo: Demo, method: str) -> list[Rule]:
    """The addresses of the studio that take this method."""
    there = [rule for rule in demo.app.url_map.iter_rules() if rule.rule.startswith("/console/flows")]
    return [rule for rule in there if method in (rule.methods or ()) and rule.endpoint.startswith(MINE)]


def address(rule: Rule, flow: str, number: str = "1") -> str:
    return re.sub(r"<int[^>]*>", number, rule.rule).replace("<string:flow>", flow)


def begin(demo: Demo, flow: str, source: str) -> None:
    with demo.db() as db:
        edit_draft.new_flow(db, flow, FlowContent(source), "Began", DraftAuthor("Ana"), demo.runtime.clock.now())


def test_it_survives_any_post(demo: Demo) -> None:
    chance, browser = random.Random(7), enter(demo, "admin")
    for rule in rules(demo, "POST"):
        for _ in range(10):
            names = chance.sample(NAMES, chance.randint(0, 20))
            fields = {name: chance.choice(NASTY) for name in names}
            path = address(rule, chance.choice(["welcome", "crisis", "nowhere", "%00", "a%0Ab", "x" * 300]))
            answer = post(browser, path, **fields)
            assert answer.status_code in (200, 303, 404, 409, 413, 422), (path, fields, answer.status_code)


def test_it_survives_the_same_value_everywhere(demo: Demo) -> None:
    browser = enter(demo, "admin")
    extras: list[dict[str, str]] = [{}, {"step": "need", "name": "need", "kind": "ask"}, {"is_new": "1", "name": "x"}]
    for number, value in enumerate(NASTY):
        fields = dict.fromkeys(NAMES, value) | extras[number % 3]
        for rule in rules(demo, "POST"):
            with demo.db() as db:
                draft = drafts.find(db, "welcome")
                fields["seen"] = value if number % 2 or not draft else str(draft.revision.number)
            answer = post(browser, address(rule, "welcome"), **fields)
            assert answer.status_code in (200, 303, 404, 409, 413, 422), (rule, value, answer.status_code)


def test_it_survives_numbers_that_no_row_can_have(demo: Demo) -> None:
    browser = enter(demo, "admin")
    for rule in rules(demo, "POST"):
        if "<int" in rule.rule:
            answer = post(browser, address(rule, "welcome", "9" * 30), why="no reason")
            assert answer.status_code == 404, (rule, answer.status_code)


ODD = {
    "a_date": "flow: a_date\ntitle: 2026-13-45\nstart: a\nsteps: {a: {end: done}}\n",
    "a_number": "flow: a_number\ntitle: 0x_\nstart: a\nsegments: " + "9" * 5000 + "\nsteps: {a: {say: Hi, end: done}}\n",
    "deep": "flow: deep\ntitle: " + "[" * 5000 + "\nsteps: {a: {say: Hi}}\n",
    "short": "flow: short\ntitle: x\nsteps:\n  a: {ask: Q, choices: {food: Food, rent: [a]}, next: [b, {go: c}]}\n",
    "listed": "flow: listed\ntitle: x\nstart: a\nsteps:\n  a: {ask: {en: Q}, choices: [a, b], next: {go: b}, wait: 2h}\n",
    "bare": "just words\n",
    "steps_are_a_list": "flow: steps_are_a_list\ntitle: [x]\nstart: {a: b}\nsteps: [a, b]\n",
    "empty_steps": "flow: empty_steps\ntitle:\nstart:\nsteps:\n",
    "odd_names": 'flow: odd_names\ntitle: x\nsteps: {"<b>x</b>": {say: Hi}, 1: {say: x}, "": {say: y}, a: {end: done}}\n',
    "merged": "flow: merged\ntitle: x\nstart: a\nbase: &b {say: Hi}\nsteps:\n  a:\n    <<: *b\n    next: a\n",
    "twice": "flow: twice\ntitle: x\nstart: a\nsteps:\n  a: {say: Hi}\n  a: {say: Ho}\n",
    "control": "flow: control\ntitle: x\x01y\nstart: a\nsteps: {a: {say: Hi}}\n",
    "tabs": "flow: tabs\n\ttitle: x\n",
    "aliases": "flow: aliases\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\ntitle: x\nsteps: {a: {say: *e}}\n",
}  # fmt: skip


@pytest.mark.parametrize("flow", ODD)
def test_it_shows_and_changes_drafts_that_make_no_sense(demo: Demo, flow: str) -> None:
    browser = enter(demo, "admin")
    begin(demo, flow, ODD[flow])
    assert browser.get("/console/flows").status_code == 200
    for rule in [*rules(demo, "GET")]:
        for query in ("", "?step=a", "?step=%3Cb%3Ex%3C/b%3E", "?step=%00", "?a=r1&b=v1&version=1", "?after=a&kind=ask"):
            path = address(rule, flow) + query
            assert browser.get(path).status_code in (200, 404), path
    for rule in rules(demo, "POST"):
        for step in ("a", "1", ""):
            with demo.db() as db:
                draft = drafts.find(db, flow)
                seen = draft.revision.number if draft else 0
            fields = {"seen": str(seen), "step": step, "name": step, "kind": "ask", "title": "New", "start": "a"}
            fields |= {"text.ask": "Which?", "choice.1.was": "food", "choice.1.name": "food", "choice.1.label": "Food"}
            fields |= {"choice.2.was": "rent", "choice.2.name": "rents", "to": "down", "why": "test", "source": "x: ["}
            answer = post(browser, address(rule, flow), **fields)
            assert answer.status_code in (200, 303, 404, 409, 422), (rule, step, answer.status_code)


def test_it_lets_no_role_change_a_flow_without_the_permission(demo: Demo) -> None:
    with demo.db() as db:
        before = flows.current_versions(db)
    for role in ("supervisor", "auditor", "social_worker"):
        browser = enter(demo, role)
        for rule in rules(demo, "POST"):
            answer = post(browser, address(rule, "welcome"), seen="0", step="need", name="x", source="x", why="because")
            is_second = role == "supervisor" and "/requests/" in rule.rule and not rule.rule.endswith("withdraw")
            assert answer.status_code == (422 if is_second else 403), (role, rule)
    with demo.db() as db:
        assert flows.current_versions(db) == before
    assert demo.count(DraftRevision) == 0


def test_it_shows_flows_only_to_roles_that_may_view_them(demo: Demo) -> None:
    looks = {role: enter(demo, role).get("/console/flows/welcome").status_code for role in ("supervisor", "auditor")}
    assert looks == {"supervisor": 200, "auditor": 200}
    worker = enter(demo, "social_worker")
    for rule in rules(demo, "GET"):
        assert worker.get(address(rule, "welcome")).status_code == 403, rule
        assert demo.browser().get(address(rule, "welcome")).status_code == 303, rule


def test_it_refuses_forged_forms(demo: Demo) -> None:
    browser = enter(demo, "admin")
    for rule in rules(demo, "POST"):
        assert browser.post(address(rule, "welcome"), data={"source": "x"}).status_code == 400, rule
    assert demo.count(DraftRevision) == 0


MARK = "<script>alert(1)</script>"
EVIL = f"""\
flow: evil
title: "{MARK}"
purpose: "{MARK}"
start: a
steps:
  a:
    note: "{MARK}"
    ask: "{MARK} {{{{ '{MARK}' }}}}"
    choices:
      x: {{label: "{MARK}", words: ["{MARK}"], go: "{MARK}"}}
    not_understood: {{say: "{MARK}"}}
    wait: {{after: "{MARK}", go: "{MARK}"}}
    next: [{{when: "'{MARK}'", go: "{MARK}"}}, {{go: b}}]
  b: {{handoff: {{team: "{MARK}", because: "{MARK}"}}}}
  "{MARK}": {{say: "{MARK}", next: "{MARK}"}}
  c: {{run: "{MARK}"}}
"""


def test_it_shows_no_word_of_a_flow_as_markup(demo: Demo) -> None:
    browser = enter(demo, "admin")
    po = f'msgid ""\nmsgstr ""\n\nmsgctxt "a.ask"\nmsgid "{MARK}"\nmsgstr "{MARK}"\n'
    with demo.db() as db:
        content = FlowContent(EVIL, {"es": po, MARK: po}, {f"en/{MARK}": f"flow: evil\n{MARK}\n"})
        edit_draft.new_flow(db, "evil", content, f"Began {MARK}", DraftAuthor(MARK), demo.runtime.clock.now())
    sources = [
        EVIL,
        EVIL.replace(f'"{MARK}":', "d:").replace(f'go: "{MARK}"', "go: b").replace(f'next: "{MARK}"', "next: b"),
    ]
    for source in sources:
        with demo.db() as db:
            draft = drafts.find(db, "evil")
            assert draft is not None
            content, number = replace(draft.revision.content, source=source), draft.revision.number
            now, by = demo.runtime.clock.now(), DraftAuthor(MARK)
            edit_draft.change(db, "evil", number, MARK, lambda _, made=content: made, by, now)  # type: ignore[misc]
        there = [rule for rule in demo.app.url_map.iter_rules() if rule.rule.startswith("/console/flows")]
        for rule in there:
            if "GET" not in (rule.methods or ()) or rule.rule.count("<") > 1:
                continue
            for query in ("", "?step=a", "?step=b", f"?step={MARK}", f"?a=r1&b=r2&after={MARK}&name={MARK}"):
                page = browser.get(rule.rule.replace("<string:flow>", "evil") + query)
                assert page.status_code in (200, 303, 404, 422), (rule, query, page.status_code)
                assert page.content_type.startswith(("text/x-gettext", "text/plain")) or MARK not in page.text, (rule, query)
