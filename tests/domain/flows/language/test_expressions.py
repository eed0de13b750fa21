"""What a text or a condition may contain, and that nothing in it can take Warmline down."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.checks.rendering import render
from bot.domain.flows.language.expressions import analyse_template, template_problems, unpublishable_parts
from bot.domain.flows.language.flow import RENDER_ERRORS, Flow, FlowFailed
from bot.domain.flows.language.reader import FlowError, Severity, read_flow
from bot.domain.flows.language.sandbox import ENVIRONMENT, MAX_SIZE
from bot.domain.messages.segments import MAX_BODY_LENGTH

NOW = datetime(2026, 11, 23, 16, tzinfo=UTC)
HARMFUL = [
    "{{ 'a' * 10**9 }}",
    "{{ 9 ** 60 ** 60 ** 60 ** 60 }}",
    "{{ 2 ** 1000000000 }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%1000000000d'|format(1) }}",
    "{{ [1] * 10**9 }}",
    "{{ x|replace('', x)|replace('', x)|replace('', x) }}",
    "{{ x|join(x)|join(x) }}",
    "{{ x|wordwrap(1, true, x) }}",
    "{{ x|batch(1, x)|list|string|list|string|list|string|list|string }}",
    "{{ [1, [2]]|tojson(indent=1000000000) }}",
    "{{ 'a'|indent(1000000000, true) }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% if 'a' * 10**9 %}x{% endif %}",
]


def flow(text: str, name: str = "need") -> Flow:
    head = f"flow: a\ntitle: A\nstart: {name}\nsteps:\n"
    return Flow(read_flow(f"{head}  {name}: {{handoff: {{team: t}}, say: {text!r}}}\n", "a.yaml"), {})


def template(source: str) -> str:
    """A template from a flow that was published before these rules existed."""
    return str(ENVIRONMENT.from_string(source).render(x="ab c" * 400))


@pytest.mark.parametrize("source", HARMFUL)
def test_it_refuses_at_run_time_what_would_fill_the_memory(source: str) -> None:
    started = process_time()
    with pytest.raises(Exception, match=r"grow|width|unsafe"):
        template(source)
    assert process_time() - started < 1


@pytest.mark.parametrize("source", HARMFUL)
def test_it_refuses_to_publish_what_would_fill_the_memory(source: str) -> None:
    started = process_time()
    assert template_problems(source) or unpublishable_parts(source, set())
    assert process_time() - started < 1


def test_it_calls_a_human_where_a_published_text_would_fill_the_memory() -> None:
    old = flow("{{ 'a' * 10**9 }}")
    with pytest.raises(FlowFailed, match="TooLarge"):
        old.text("need.say", "{{ 'a' * 10**9 }}", "en", {}, NOW)


def test_it_still_runs_a_published_text_with_a_filter_that_is_not_published_any_more() -> None:
    assert flow("Hi").text("need.say", "{{ zip|replace('63', 'x') }}", "en", {"zip": "63118"}, NOW) == "x118"


def test_it_cuts_a_text_that_an_answer_makes_too_long() -> None:
    rendered = flow("Hi").text("need.say", "You wrote: {{ goal }} {{ goal }}", "en", {"goal": "é" * 1600}, NOW)
    assert len(rendered) == MAX_BODY_LENGTH


def test_it_writes_an_answer_that_is_nothing_as_nothing() -> None:
    assert flow("Hi").text("need.say", "Near {{ zip }}you", "en", {"zip": None}, NOW) == "Near you"


def test_it_writes_a_date_in_english_in_a_language_that_has_no_dates() -> None:
    rendered = flow("Hi").text("need.say", "{{ day|day }}", "tlh", {"day": "2026-12-03"}, NOW)
    assert rendered == "Thursday, December 3"


@pytest.mark.parametrize(
    ("source", "what", "remedy"),
    [
        ("{{ zip|replace('6', '') }}", "the filter `replace`", "Use one of: day, upper"),
        ("{{ 2 ** 3 }}", "`**` is not allowed", "Write the number"),
        ("{{ zip * 3 }}", "`*` is only for numbers", "answer: number"),
        ("{{ zip % 3 }}", "`%` is only for numbers", "answer: number"),
        ("{{ 3145551234 }}", "larger than 1,000,000", "in quotes"),
        ("{{ zip.upper }}", "`.upper` reaches into", "zip|upper"),
        ("{{ days_until }}", "`days_until` stands alone", "days_until(court_date)"),
        ("{{ zip[need] }}", "reaches into", "zip[:3]"),
    ],
)
def test_it_names_the_remedy_for_what_may_not_be_published(source: str, what: str, remedy: str) -> None:
    ((said, hint),) = unpublishable_parts(source, {"people"})
    assert what in said
    assert remedy in hint


@pytest.mark.parametrize(
    "source",
    ["{{ zip[:3] }}", "{{ people * 2 }}", "{{ zip|default('here')|upper }}", "{{ court|day }}", "{{ zip|length % 2 }}",
     "{% if people > 3 %}many{% elif zip %}near{% else %}few{% endif %}", "{{ 'a' if zip else 'b' }}"],
)  # fmt: skip
def test_it_has_nothing_against_what_texts_need(source: str) -> None:
    assert not template_problems(source)
    assert unpublishable_parts(source, {"people"}) == []


@pytest.mark.parametrize(
    "condition",
    ["(" * 400 + "a" + ")" * 400, "+".join("a" * 400), "not " * 200 + "a", "a" * 2000, "9" * 900 + "9" * 99 + " a", "",
     "a, b", "{{ a }}", "open('x')", "a|nope", "a is nope", "'\\N{x}'"],
)  # fmt: skip
def test_it_says_in_words_why_a_condition_can_not_be_read(condition: str) -> None:
    (why,) = template_problems(condition, is_condition=True)
    assert why.endswith(".")


def test_it_points_at_the_line_of_a_harmful_text() -> None:
    text = "flow: a\ntitle: A\nstart: need\nsteps:\n  need: {handoff: {team: t}, say: \"{{ 'a' * 1000000 }}\"}\n"
    script = read_flow(text, "a.yaml")
    errors = [p for p in check_flow(script, {}, {}, file="a.yaml") if p.severity is Severity.ERROR]
    assert "In the text `need.say`: `*` is only for numbers." in [problem.what for problem in errors]


_PIECE = st.sampled_from(
    ["{{", "}}", "{%", "%}", "if ", "endif", "for x in ", "zip", "people", " ", "|", "join", "center", "(", ")", "'a'",
     "9999999999", "*", "**", "%", "~", "+", "[", "]", ":", ".", "__class__", "==", "not ", "and ", ",", "day",
     "days_until", "{#", "\n", "é", "\ud800"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECE, max_size=20).map("".join))
def test_it_never_fails_otherwise_than_in_words_whatever_is_written(inside: str) -> None:
    names = {"zip": "63118", "people": 3, "days_until": len}
    for source in (inside, f"{{{{ {inside} }}}}"):
        if not template_problems(source):
            unpublishable_parts(source, set())
            try:
                rendered = render(source, names)
            except Exception as error:
                assert isinstance(error, RENDER_ERRORS)
            else:
                assert len(rendered) < MAX_SIZE * 10
    if not template_problems(inside, is_condition=True):
        unpublishable_parts(inside, set(), is_condition=True)
        assert analyse_template(inside, is_condition=True).names is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["zip", "people", "'near you'", " or ", " and ", "}} {{", "x y"]), min_size=1, max_size=8))
def test_it_fills_simple_texts_in_by_hand_as_jinja_does(pieces: list[str]) -> None:
    source = "Hi {{ " + "".join(pieces) + " }} there"
    for names in ({"zip": "63118", "people": 0}, {"zip": None}, {"people": 3}):
        if not template_problems(source):
            assert render(source, names) == str(ENVIRONMENT.from_string(source).render(names)).strip()


def test_it_refuses_a_file_in_which_a_condition_can_not_be_read() -> None:
    with pytest.raises(FlowError, match="nested too deeply"):
        read_flow(
            "flow: a\ntitle: A\nstart: need\nsteps:\n  need: {decide: true, next: [{when: '" + "(" * 300 + "a" + ")" * 300
            + "', go: need}]}\n", "a.yaml",
        )  # fmt: skip
