"""The translations of a flow in the console: shown, changed in place, sent to translators and imported again."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest
from babel.messages.pofile import read_po, write_po
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.wording import po_file
from bot.operations.settings.settings import Settings
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft
from tests.support.console import form_secret, make_staff, page_text, post, signed_in
from tests.support.demo import Demo, open_demo

PAGE = "/console/flows/privacy/words"
TITLE = "text.es.title"


@pytest.fixture
def demo(settings: Settings) -> Iterator[Demo]:
    with open_demo(replace(settings, languages=("en", "es", "vi"))) as opened:
        yield opened


@pytest.fixture
def ada(demo: Demo) -> FlaskClient:
    """A browser of an admin."""
    return signed_in(demo.app, make_staff(demo.runtime, "ada@example.org", ["admin"]))


def content(demo: Demo, flow: str = "privacy") -> FlowContent:
    with demo.db() as db:
        draft = drafts.find(db, flow)
        if draft is not None:
            return draft.revision.content
        return flows.load_version(db, flows.current_version(db, flow) or 0).content  # type: ignore[union-attr]


def number(demo: Demo) -> int:
    with demo.db() as db:
        draft = drafts.find(db, "privacy")
        return draft.revision.number if draft else 0


def change_source(demo: Demo, old: str, new: str) -> None:
    """A colleague changes the flow's English."""
    before = content(demo)
    assert old in before.source
    with demo.db() as db:
        after = replace(before, source=before.source.replace(old, new))
        edit_draft.change(
            db, "privacy", number(demo), "Changed", lambda _: after, DraftAuthor("Vera"), demo.runtime.clock.now()
        )


def entry(demo: Demo, context: str, language: str = "es") -> po_file.PoEntry:
    return next(one for one in po_file.read_entries(content(demo).translations[language]) if one.context == context)


def text_of(page: TestResponse, name: str) -> str:
    area = re.search(rf'<textarea[^>]* name="{re.escape(name)}"[^>]*>\n(.*?)</textarea>', page.text, re.S)
    assert area, name
    return html.unescape(area[1])


def upload(browser: FlaskClient, path: str, name: str, raw: bytes) -> TestResponse:
    """Upload a file as a browser does. The body is built here: for a large file the test client would leave a file open."""
    head = f'--part\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return browser.post(
        path,
        data=head.encode() + raw + b"\r\n--part--\r\n",
        content_type="multipart/form-data; boundary=part",
        headers={"X-CSRF-Token": form_secret(browser)},
    )


# -- who may look, and what is shown --


def test_it_shows_coverage_and_texts_side_by_side(ada: FlaskClient) -> None:
    page = ada.get(f"{PAGE}?show=es&show=vi")
    assert page.status_code == 200
    for words in ("Spanish", "21 of 21", "Vietnamese", "0 of 21", "21 missing", "segment"):
        assert words in page_text(page)
    assert text_of(page, TITLE) and text_of(page, "text.vi.title") == ""


def test_it_lets_a_supervisor_look_and_change_nothing(demo: Demo) -> None:
    vera = signed_in(demo.app, make_staff(demo.runtime, "vera@example.org", ["supervisor"]))
    page = vera.get(PAGE)
    assert page.status_code == 200 and "readonly" in page.text and "Import" not in page.text
    assert vera.get(f"{PAGE}/es.po").status_code == 200
    for path in ("", "/languages", "/es.po"):
        assert post(vera, f"{PAGE}{path}").status_code == 403
    rosa = signed_in(demo.app, make_staff(demo.runtime, "rosa@example.org"))
    assert rosa.get(PAGE).status_code == 403


def test_it_says_that_there_is_no_such_flow(ada: FlaskClient) -> None:
    for path in ("/console/flows/nothing/words", "/console/flows/nothing/words/es.po", "/console/flows/A%20B/words"):
        assert ada.get(path).status_code == 404
    assert post(ada, "/console/flows/nothing/words").status_code == 404
    assert upload(ada, "/console/flows/nothing/words/es.po", "a.po", b"x").status_code == 404


@pytest.mark.parametrize(("only", "count"), [("all", 21), ("open", 1), ("stale", 1), ("missing", 0)])
def test_it_filters(demo: Demo, ada: FlaskClient, only: str, count: int) -> None:
    change_source(demo, "title: ", "title: Your ")
    page = ada.get(f"{PAGE}?show=es&only={only}")
    assert page.text.count('words-row"') == count


def test_it_survives_odd_addresses(ada: FlaskClient) -> None:
    for query in ("?show=xx&only=some&page=0", "?page=9999", "?page=x&show=../..", "?show=%00"):
        assert ada.get(f"{PAGE}{query}").status_code == 200


# -- changed in place --


def test_it_changes_only_the_touched_texts(demo: Demo, ada: FlaskClient) -> None:
    before = content(demo).translations["es"]
    page = ada.get(f"{PAGE}?show=es")
    posted = {name: text_of(page, name) for name in re.findall(r'name="(text\.es\.[^"]+)"', page.text)}
    answer = post(ada, PAGE, seen=0, query="?show=es&only=all", **{**posted, TITLE: "Sus datos"})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}?show=es&only=all")
    after = content(demo).translations["es"]
    assert entry(demo, "title").text == "Sus datos"
    changed = set(after.splitlines()) ^ set(before.splitlines())
    assert len(changed) == 2
    assert number(demo) == 2
    post(ada, PAGE, seen=2, **{TITLE: "Sus datos"})
    assert number(demo) == 2


def test_it_shows_the_old_source_and_accepts_that_the_text_is_still_right(demo: Demo, ada: FlaskClient) -> None:
    old = po_file.read_entries(content(demo).translations["es"])[0].source
    change_source(demo, "title: ", "title: Your ")
    page = ada.get(f"{PAGE}?only=stale")
    assert f"It was made from: {old}" in page_text(page).replace("  ", " ") and 'value="es title"' in page.text
    post(ada, PAGE, seen=number(demo), right="es title", **{TITLE: text_of(page, TITLE)})
    assert not entry(demo, "title").is_fuzzy and entry(demo, "title").source == f"Your {old}"
    assert "Nothing to do here" in page_text(ada.get(f"{PAGE}?only=stale"))


def test_it_keeps_both_where_two_change_other_texts(demo: Demo, ada: FlaskClient) -> None:
    first = number(demo)
    post(ada, PAGE, seen=first, **{TITLE: "Uno"})
    seen = number(demo)
    post(ada, PAGE, seen=seen, **{TITLE: "Dos"})
    context = next(
        one.context for one in po_file.read_entries(content(demo).translations["es"]) if one.context.endswith(".say")
    )
    answer = post(ada, PAGE, seen=seen, **{f"text.es.{context}": "Hola.", TITLE: "Uno"})
    assert answer.status_code == 303
    assert (entry(demo, "title").text, entry(demo, context).text) == ("Dos", "Hola.")


def test_it_loses_nothing_where_two_change_the_same_text(demo: Demo, ada: FlaskClient) -> None:
    post(ada, PAGE, seen=0, **{TITLE: "Uno"})
    seen = number(demo)
    post(ada, PAGE, seen=seen, **{TITLE: "Dos"})
    answer = post(ada, PAGE, seen=seen, **{TITLE: "Tres"})
    assert answer.status_code == 409 and "changed one of these texts meanwhile" in page_text(answer)
    assert text_of(answer, TITLE) == "Tres" and entry(demo, "title").text == "Dos"
    assert f'name="seen" value="{number(demo)}"' in answer.text


def test_it_saves_nothing_over_a_version_that_was_pushed_meanwhile(demo: Demo, ada: FlaskClient) -> None:
    page = ada.get(f"{PAGE}?show=es").text.partition('class="words-form"')[2]
    seen = int(re.findall(r'name="seen" value="(-?[0-9]+)"', page)[0])
    before = content(demo)
    pushed = before.translations["es"].replace(entry(demo, "title").text, "De otra mano")
    with demo.db() as db:
        assert -seen == flows.current_version(db, "privacy")
        flows.publish(db, "privacy", replace(before, translations={"es": pushed}), "push", demo.runtime.clock.now())
    answer = post(ada, PAGE, seen=seen, **{TITLE: "Tres"})
    assert answer.status_code == 409 and "A version was published meanwhile" in page_text(answer)
    assert text_of(answer, TITLE) == "Tres" and entry(demo, "title").text == "De otra mano"
    # Texts that the push did not touch are saved.
    context = next(one.context for one in po_file.read_entries(pushed) if one.context.endswith(".say"))
    assert post(ada, PAGE, seen=seen, **{f"text.es.{context}": "Hola."}).status_code == 303
    assert (entry(demo, "title").text, entry(demo, context).text) == ("De otra mano", "Hola.")


def test_it_refuses_what_does_not_fit_and_keeps_what_was_typed(demo: Demo, ada: FlaskClient) -> None:
    answer = post(ada, PAGE, seen=0, **{TITLE: "x" * 1601})
    assert answer.status_code == 422 and "longer than 1,600" in answer.text and text_of(answer, TITLE) == "x" * 1601
    assert post(ada, PAGE, seen=0, **{"text.es.nowhere.say": "Hola"}).status_code == 422
    assert number(demo) == 0


def test_it_marks_texts_that_are_over_the_budget_and_those_that_cannot_be_filled_in(demo: Demo, ada: FlaskClient) -> None:
    context = next(
        one.context for one in po_file.read_entries(content(demo).translations["es"]) if one.context.endswith(".say")
    )
    post(ada, PAGE, seen=0, **{f"text.es.{context}": "Hola. " * 100 + "{{ oops"})
    page = page_text(ada.get(f"{PAGE}?show=es"))
    assert "over the 2 that this flow allows" in page and "It can't be filled in" in page


def test_it_marks_safety_texts_that_are_not_translated(demo: Demo, ada: FlaskClient) -> None:
    page = page_text(ada.get("/console/flows/crisis/words?show=vi"))
    assert "Safety" in page and "The flow cannot be published like this" in page


def test_it_adds_a_language(demo: Demo, ada: FlaskClient) -> None:
    answer = post(ada, f"{PAGE}/languages", seen=0, language="bs")
    assert answer.location == f"{PAGE}?show=bs&only=open"
    assert len(po_file.read_entries(content(demo).translations["bs"])) == 21
    page = page_text(ada.get(PAGE))
    assert "Bosnian Not a language of the line" in page
    for code in ("bs", "en", "x!", "qq", ""):
        assert post(ada, f"{PAGE}/languages", seen=number(demo), language=code).status_code == 422


def test_it_says_so_where_the_draft_cannot_be_read(demo: Demo, ada: FlaskClient) -> None:
    change_source(demo, "start: ", "start: {")
    page = ada.get(PAGE)
    assert page.status_code == 200 and "cannot be read just now" in page.text
    assert post(ada, PAGE, seen=number(demo), **{TITLE: "Uno"}).status_code == 422


# -- to translators and back --


def test_it_exports_a_file_for_a_translator_and_imports_it_again(demo: Demo, ada: FlaskClient) -> None:
    change_source(demo, "title: ", "title: Your ")
    sent = ada.get(f"{PAGE}/es.po")
    assert "privacy.es.po" in sent.headers["Content-Disposition"]
    catalog = read_po(io.BytesIO(sent.data))
    fuzzy = [message for message in catalog if message.id and message.fuzzy]
    assert [message.context for message in fuzzy] == ["title"] and "#| msgid" in sent.text
    fuzzy[0].string = "Sus datos y usted"
    fuzzy[0].flags.discard("fuzzy")
    edited = io.BytesIO()
    write_po(edited, catalog)
    answer = upload(ada, f"{PAGE}/es.po", "privacy.es.po", edited.getvalue())
    assert answer.status_code == 200 and "1 text was taken into the draft" in page_text(answer)
    assert entry(demo, "title").text == "Sus datos y usted" and not entry(demo, "title").is_fuzzy
    assert "20 were there already" in page_text(answer)
    assert "Nothing new was in it" in page_text(upload(ada, f"{PAGE}/es.po", "privacy.es.po", edited.getvalue()))


def test_it_names_what_it_could_not_import(demo: Demo, ada: FlaskClient) -> None:
    sent = ada.get(f"{PAGE}/vi.po").text
    filled = sent.replace('msgstr ""\n\nmsgctxt', 'msgstr "Xin"\n\nmsgctxt', 1)
    old = po_file.read_entries(sent)[0].source
    gone = 'msgctxt "gone.say"\nmsgid "Old"\nmsgstr "Cu"\n'
    change_source(demo, "title: ", "title: Your ")
    answer = upload(ada, f"{PAGE}/vi.po", "privacy.vi.po", f"{filled}\n{gone}".encode())
    page = page_text(answer)
    for words in ("Not taken as they are: 2", "gone.say", "not in the flow any more", "Cu", "Xin", "kept as stale", old):
        assert words in page
    assert entry(demo, "title", "vi").is_fuzzy and entry(demo, "title", "vi").text == "Xin"


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("a.po", b'msgctxt "title"\nmsgid "x"\nmsgstr oops\n', "a.po:3: This is not a PO entry."),
        ("a.po", b'msgid ""\nmsgstr ""\n"Language: vi\\n"\n\nmsgctxt "title"\nmsgid "x"\nmsgstr "y"\n', "it is `vi`"),
        ("a.po", b'msgid ""\nmsgstr ""\n"Project-Id-Version: Warmline crisis 3\\n"\n\nmsgctxt "t"\nmsgid "x"\nmsgstr "y"\n',
         "of the flow `crisis`"),
        ("a.po", b'msgctxt "other.say"\nmsgid "x"\nmsgstr "y"\n', "No entry of this file belongs"),
        ("a.po", b"", "no text in this file"),
        ("a.po", b"\xff\xfe\x00", "not UTF-8"),
        ("a.po", b"PK\x03\x04\x00\x00", "not a PO entry"),
        ("a.po", b"# " + b"x" * 1_100_000, "Keep it under"),
    ],
)  # fmt: skip
def test_it_refuses_a_file_that_does_not_translate_this_flow(
    demo: Demo, ada: FlaskClient, name: str, raw: bytes, words: str
) -> None:
    answer = upload(ada, f"{PAGE}/es.po", name, raw)
    assert answer.status_code == 422
    assert words in html.unescape(page_text(answer)) and "Nothing was taken in" in page_text(answer)
    assert number(demo) == 0


def test_it_says_that_a_file_is_far_too_large(demo: Demo, ada: FlaskClient) -> None:
    answer = upload(ada, f"{PAGE}/es.po", "a.po", b"x" * 7_000_000)
    assert answer.status_code == 413 and "<h1" in answer.text
    assert post(ada, f"{PAGE}/es.po").status_code == 422


# -- all flows --


def test_it_moves_all_flows_of_a_language_in_one_zip(demo: Demo, ada: FlaskClient) -> None:
    assert "Translations of all flows" in page_text(ada.get("/console/flows/words"))
    sent = ada.get("/console/flows/words/es.zip")
    archive = zipfile.ZipFile(io.BytesIO(sent.data))
    assert "privacy.es.po" in archive.namelist() and len(archive.namelist()) == 8
    back = io.BytesIO()
    with zipfile.ZipFile(back, "w") as made:
        po = archive.read("privacy.es.po").decode()
        title = next(one for one in po_file.read_entries(po) if one.context == "title")
        made.writestr("deep/privacy.es.po", po_file.write_entries(po, [replace(title, text="Sus datos")], []))
        made.writestr("crisis.es.po", 'msgctxt "title"\nmsgid "x"\nmsgstr oops\n')
        made.writestr("what.po", 'msgctxt "title"\nmsgid "x"\nmsgstr "y"\n')
        made.writestr("nowhere.es.po", 'msgctxt "title"\nmsgid "x"\nmsgstr "y"\n')
    page = html.unescape(page_text(upload(ada, "/console/flows/words", "all.zip", back.getvalue())))
    for words in ("1 text was taken", "crisis.es.po:3", "does not say for which flow", "There is no flow `nowhere`"):
        assert words in page
    assert entry(demo, "title").text == "Sus datos"


def test_it_refuses_a_file_that_is_not_a_zip(ada: FlaskClient) -> None:
    assert "no zip file" in upload(ada, "/console/flows/words", "a.zip", b"hello").text
    assert post(ada, "/console/flows/words").status_code == 422
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as made:
        made.writestr("a.txt", "x")
    assert "no .po file" in upload(ada, "/console/flows/words", "a.zip", empty.getvalue()).text
    assert ada.get("/console/flows/words/e!.zip").status_code == 422
