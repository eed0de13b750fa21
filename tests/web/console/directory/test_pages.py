"""The directory in the console: searched, checked by telephone, corrected; nothing typed is lost, each act is audited."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from bot.storage import database
from bot.storage.tables.directory import Service
from bot.storage.tables.residents import Referral
from bot.storage.tables.staff import Audit
from tests.support.console import make_staff, page_text, post, signed_in
from tests.support.demo import Demo
from tests.support.people import make_person
from tests.usecases.directory.example_directory import package, take_in

PANTRY = ("s1", "Food pantry", "314-555-0101")
BEDS = ("s2", "Emergency shelter", "314-555-0102")
NEW = {
    "name": "Night kitchen",
    "phones": "314-555-0150",
    "needs": "food",
    "street": "2 Oak St",
    "city": "St. Louis",
    "zip": "63103",
    "status": "active",
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for a row is refused at once. Must come before `demo`; the real wait is shown in
    tests/storage/test_transaction.py."""
    monkeypatch.setattr(database, "LOCK_MS", 200)


@pytest.fixture
def vera(demo: Demo) -> FlaskClient:
    """A browser in which a supervisor is signed in, who may change the directory."""
    return signed_in(demo.app, make_staff(demo.runtime, "vera@example.org", ["supervisor"]))


@pytest.fixture
def rosa(demo: Demo) -> FlaskClient:
    """A browser of a social worker, who may only look."""
    return signed_in(demo.app, make_staff(demo.runtime, "rosa@example.org"))


@pytest.fixture
def pantry(demo: Demo, tmp_path: Path) -> int:
    with demo.db() as db:
        take_in(db, package(tmp_path / "p", [PANTRY, BEDS]), "test", now=demo.runtime.clock.now())
    return held(demo, "s1").id


def held(demo: Demo, key: str) -> Service:
    with demo.db() as db:
        return db.scalars(select(Service).where(Service.key == key)).one()


def acts(demo: Demo) -> list[tuple[str, str]]:
    with demo.db() as db:
        return [(row.act, row.detail) for row in db.scalars(select(Audit).order_by(Audit.id))]


def form(browser: FlaskClient, path: str) -> dict[str, str]:
    """What a browser would post of the form as it was opened: the fields that are not empty."""
    page = browser.get(path).text
    found = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input[^>]* name="([^"]+)"[^>]*? value="([^"]*)"', page)
        if name not in ("needs", "checked", "csrf_token")
    }
    areas = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', page, re.S)
    found |= {name: html.unescape(text) for name, text in areas}
    found["needs"] = re.findall(r'name="needs" value="([^"]+)" checked', page)  # type: ignore[assignment]
    return found | {"status": "active"}


def seen(page: str) -> str:
    """What the button "I called" would post of what the page shows."""
    return re.search(r'/check">.*?name="version" value="([0-9a-f]+)"', page).group(1)  # type: ignore[union-attr]


# -- who may look, and who may change --


def test_it_lets_a_social_worker_look_and_change_nothing(demo: Demo, rosa: FlaskClient, pantry: int) -> None:
    page = rosa.get(f"/console/directory/{pantry}")
    assert page.status_code == 200
    assert "I called" not in page.text and "/edit" not in page.text
    assert rosa.get(f"/console/directory/{pantry}/edit").status_code == 403
    for path in (f"/{pantry}/check", f"/{pantry}/accepting", f"/{pantry}/close", "/new", f"/{pantry}/edit"):
        assert post(rosa, f"/console/directory{path}", answer="no", status="defunct").status_code == 403
    assert demo.browser().get("/console/directory").status_code == 303


def test_it_is_in_the_navigation(rosa: FlaskClient) -> None:
    assert 'href="/console/directory"' in rosa.get("/console/directory").text


def test_it_refuses_a_forged_form(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    assert vera.post(f"/console/directory/{pantry}/accepting", data={"answer": "no"}).status_code == 400
    assert held(demo, "s1").accepting is None


def test_it_says_that_there_is_no_such_service(vera: FlaskClient) -> None:
    assert vera.get("/console/directory/999999").status_code == 404
    assert vera.get("/console/directory/999999/edit").status_code == 404
    assert post(vera, "/console/directory/999999/check").status_code == 404


# -- looking up --


@pytest.mark.parametrize(
    ("query", "finds", "leaves"),
    [
        ("words=pantry", "Food pantry", "Emergency shelter"),
        ("need=shelter&near=63101", "Emergency shelter", "Food pantry"),
        ("freshness=fresh&words=food", "Food pantry", "Emergency shelter"),
        ("freshness=never", "SAMHSA National Helpline", "Food pantry"),
        ("accepting=unknown&near=63101", "Food pantry", "Nothing found"),
        ("accepting=no", "Nothing found", "Food pantry"),
        ("open=1&need=food", "Nothing found", "Food pantry"),
        ("words=%00pantry&near=", "Food pantry", "Emergency shelter"),
    ],
)
def test_it_finds_by_what_was_asked(rosa: FlaskClient, pantry: int, query: str, finds: str, leaves: str) -> None:
    page = rosa.get(f"/console/directory?{query}")
    assert page.status_code == 200
    results = page_text(page).partition(" Found ")[2]
    assert finds in results
    assert leaves not in results


def test_it_shows_distance_agency_number_and_check_in_words(rosa: FlaskClient, pantry: int) -> None:
    page = page_text(rosa.get("/console/directory?words=pantry&near=63101"))
    for words in ("Helpers", "under 1 mile", "314-555-0101", "Hours not known", "checked Nov 1, 2026 by Ana", "Fresh for"):
        assert words in page


def test_it_says_that_a_zip_is_unknown(rosa: FlaskClient) -> None:
    for query in ("near=00000", "near=00000&freshness=never"):
        page = rosa.get(f"/console/directory?{query}")
        assert page.status_code == 422
        assert "is no ZIP code that is known" in page.text


def test_it_turns_pages(demo: Demo, rosa: FlaskClient, tmp_path: Path) -> None:
    many = [(f"k{number:02}", f"Pantry {number:02}", f"314-555-{number:04}") for number in range(45)]
    with demo.db() as db:
        take_in(db, package(tmp_path / "many", many), "many", now=demo.runtime.clock.now())
    for query in ("accepting=unknown&words=Pantry", "words=Pantry"):
        names: list[str] = []
        for number in (1, 2, 3):
            names += re.findall(r">(Pantry \d\d)</a>", rosa.get(f"/console/directory?{query}&page={number}").text)
        assert (len(names), len(set(names))) == (45, 45)
    assert "page=" not in rosa.get("/console/directory?words=Pantry&page=3").text.replace("page=2", "")


# -- one service --


def test_it_shows_what_is_known_and_what_would_be_texted(demo: Demo, rosa: FlaskClient, pantry: int) -> None:
    page = page_text(rosa.get(f"/console/directory/{pantry}"))
    for words in ("Food pantry", "Helpers", "314-555-0101", "1 segment", "Spanish", "People are told of it", "Ana"):
        assert words in page


def test_it_counts_what_became_of_referrals(demo: Demo, rosa: FlaskClient, pantry: int) -> None:
    with demo.db() as db:
        made, now = make_person(db, demo.runtime.context.sealer), demo.runtime.clock.now()
        for outcome, state in (("helped", "completed"), ("helped", "completed"), (None, "requested")):
            db.add(Referral(
                conversation_id=made.conversation, service_id=pantry, need="food", state=state, outcome=outcome, made_at=now,
            ))  # fmt: skip
    page = page_text(rosa.get(f"/console/directory/{pantry}"))
    assert "Helped 2" in page
    assert "Waiting to hear 1" in page


def test_it_leaves_what_two_people_have_read_to_the_files(demo: Demo, vera: FlaskClient) -> None:
    with demo.db() as db:
        number = db.scalars(select(Service.id).where(Service.slug == "line_211")).one()
    page = vera.get(f"/console/directory/{number}")
    assert "kept in the files" in page.text and "I called" not in page.text
    refused = post(vera, f"/console/directory/{number}/check")
    assert (refused.status_code, "warmline directory load" in refused.text) == (422, True)


# -- checking by telephone --


def test_it_records_a_check_with_the_name(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    version = seen(vera.get(f"/console/directory/{pantry}").text)
    for _twice in range(2):
        assert post(vera, f"/console/directory/{pantry}/check", version=version).status_code == 303
    assert "by Vera Ortiz" in page_text(vera.get(f"/console/directory/{pantry}"))
    assert ("service_checked", f"service {pantry}") in acts(demo)


def test_it_goes_on_to_the_next_one_of_the_list(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    with demo.db() as db:
        db.get_one(Service, pantry).review_by = demo.runtime.clock.now() - timedelta(days=3)
    first = vera.get("/console/directory/stale").text
    assert re.search(r'id="call-now"><a[^>]*>Food pantry', first)
    done = post(vera, f"/console/directory/{pantry}/check", version=seen(first), list="stale", at="1", page="1")
    assert done.location == "/console/directory/stale?list=stale&at=1&page=1"
    after = vera.get(done.location).text
    assert re.search(r'id="call-now"><a[^>]*>Emergency shelter', after)


@pytest.mark.parametrize("page", ["/stale", "/{}"])
def test_it_checks_nothing_that_was_not_on_the_screen(demo: Demo, vera: FlaskClient, pantry: int, page: str) -> None:
    with demo.db() as db:
        db.get_one(Service, pantry).review_by = demo.runtime.clock.now() - timedelta(days=3)
    version = seen(vera.get(f"/console/directory{page.format(pantry)}").text)
    path = f"/console/directory/{pantry}/edit"
    post(vera, path, **form(vera, path) | {"phones": "314-555-0177"})
    refused = post(vera, f"/console/directory/{pantry}/check", version=version, list="stale")
    assert (refused.status_code, "changed meanwhile" in refused.text, "314-555-0177" in refused.text) == (422, True, True)
    assert post(vera, f"/console/directory/{pantry}/check").status_code == 422
    assert held(demo, "s1").verified is False


def test_it_loses_nothing_while_the_directory_is_imported(
    impatient: None, demo: Demo, vera: FlaskClient, pantry: int, tmp_path: Path
) -> None:
    path = f"/console/directory/{pantry}"
    filled = form(vera, f"{path}/edit") | {"description": "Long words of Vera's"}
    with demo.db() as db:
        take_in(db, package(tmp_path / "q", [("s1", "Pantry", "314-555-0101")]), "test", now=demo.runtime.clock.now())
        db.flush()
        edit = post(vera, f"{path}/edit", **filled)
        answer = post(vera, f"{path}/accepting", answer="no")
    for refused, kept in ((edit, "Long words of Vera"), (answer, 'value="no" selected')):
        assert (refused.status_code, "nothing was lost" in refused.text, kept in refused.text) == (409, True, True)
    assert post(vera, f"{path}/accepting", answer="no").status_code == 303


def test_it_keeps_a_new_service_in_the_form_while_another_transaction_is_in_the_way(
    impatient: None, demo: Demo, vera: FlaskClient
) -> None:
    with demo.db() as db:
        db.execute(text("lock table service in exclusive mode"))
        refused = post(vera, "/console/directory/new", **NEW, checked="1")
    assert (refused.status_code, "nothing was lost" in refused.text, "Night kitchen" in refused.text) == (409, True, True)


def test_it_lists_those_that_were_never_checked(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    assert "Nothing to call" in vera.get("/console/directory/stale?list=never").text
    with demo.db() as db:
        db.get_one(Service, pantry).verified = False
    assert "Never checked" in page_text(vera.get("/console/directory/stale?list=never&at=7"))


def test_it_keeps_whether_new_people_are_taken_and_a_closing(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    assert post(vera, f"/console/directory/{pantry}/accepting", answer="no").status_code == 303
    assert "It takes nobody new." in vera.get(f"/console/directory/{pantry}").text
    assert post(vera, f"/console/directory/{pantry}/close", status="defunct").status_code == 303
    page = page_text(vera.get(f"/console/directory/{pantry}"))
    assert "Closed for good" in page and "It is marked as defunct." in page
    refused = post(vera, f"/console/directory/{pantry}/close", status="burnt")
    assert (refused.status_code, "Nothing was saved" in refused.text) == (422, True)


# -- the form --


def test_it_saves_an_untouched_form_as_nothing(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    assert post(vera, path, **form(vera, path)).status_code == 303
    assert held(demo, "s1").edits == {}
    assert "service_changed" not in dict(acts(demo))


def test_it_shows_the_imported_value_beside_the_changed_one(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    assert post(vera, path, **form(vera, path) | {"name": "Harbor pantry", "hours-0": "9am-5pm"}).status_code == 303
    page = page_text(vera.get(f"/console/directory/{pantry}"))
    assert "Harbor pantry Changed here Imported: Food pantry" in page
    assert "Mon 9am-5pm" in page
    assert ("service_changed", f"service {pantry}: name, schedules") in acts(demo)


def test_it_says_what_is_wrong_and_keeps_what_was_typed(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    wrong = {"phones": "ask for Jo", "hours-2": "5pm-9:30", "description": "Typed <b>with care</b>", "card-en": "x" * 400}
    refused = post(vera, path, **form(vera, path) | wrong)
    assert refused.status_code == 422
    for id_ in ("error-phones", "error-hours-2", "error-card-en"):
        assert f'id="{id_}"' in refused.text and f'aria-describedby="{id_}' in refused.text
    assert "Typed &lt;b&gt;with care&lt;/b&gt;" in refused.text and "ask for Jo" in refused.text
    assert held(demo, "s1").edits == {}


def test_it_tells_the_second_of_two_what_changed_and_loses_nothing(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    first, second = form(vera, path), form(vera, path)
    assert post(vera, path, **first | {"description": "Boxes", "email": "a@example.org"}).status_code == 303
    refused = post(vera, path, **second | {"description": "Bags", "url": "https://bags.example.org"})
    assert refused.status_code == 409
    assert "changed: what they do, e-mail" in page_text(refused)
    assert "Saved meanwhile: Boxes" in page_text(refused)
    assert "https://bags.example.org" in refused.text
    assert held(demo, "s1").edits["description"] == "Boxes"


def test_it_saves_once_the_second_has_looked(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    second = form(vera, path)
    post(vera, path, **form(vera, path) | {"description": "Boxes"})
    refused = post(vera, path, **second | {"description": "Bags"})
    base = re.search(r'name="opened" value="([^"]*)"', refused.text)
    assert base is not None
    again = second | {"description": "Bags", "opened": html.unescape(base[1])}
    assert post(vera, path, **again).status_code == 303
    assert held(demo, "s1").edits["description"] == "Bags"


@pytest.mark.parametrize("opened", ["", "{", "[]", '{"name": 1}', "[" * 5000])
def test_it_asks_to_look_again_where_the_form_does_not_say_how_it_was_opened(
    demo: Demo, vera: FlaskClient, pantry: int, opened: str
) -> None:
    path = f"/console/directory/{pantry}/edit"
    refused = post(vera, path, **form(vera, path) | {"description": "Bags", "opened": opened, "version": "old"})
    assert refused.status_code == 409
    assert held(demo, "s1").edits == {}


def test_it_warns_that_another_number_must_be_checked(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    post(vera, path, **form(vera, path) | {"phones": "314-555-0177"})
    page = vera.get(f"/console/directory/{pantry}")
    assert "Its telephone number is another now" in page.text
    assert held(demo, "s1").verified is False


def test_it_takes_the_change_and_the_check_together(demo: Demo, vera: FlaskClient, pantry: int) -> None:
    path = f"/console/directory/{pantry}/edit"
    post(vera, path, **form(vera, path) | {"phones": "314-555-0177", "checked": "1"})
    assert held(demo, "s1").verified is True
    assert "314-555-0177" in page_text(vera.get(f"/console/directory/{pantry}"))


def test_it_adds_a_service(demo: Demo, vera: FlaskClient) -> None:
    assert vera.get("/console/directory/new").status_code == 200
    refused = post(vera, "/console/directory/new", name="Night kitchen", status="active")
    assert (refused.status_code, "Night kitchen" in refused.text, "error-phones" in refused.text) == (422, True, True)
    added = post(vera, "/console/directory/new", **NEW, checked="1")
    assert added.status_code == 303
    page = page_text(vera.get(added.location))
    assert "Night kitchen" in page and "People are told of it." in page and "Written in the console" in page
    assert [act for act, _ in acts(demo)] == ["service_added", "service_checked"]


def test_it_writes_no_words_of_a_service_into_the_audit(demo: Demo, vera: FlaskClient) -> None:
    post(vera, "/console/directory/new", **NEW)
    assert all("kitchen" not in detail.lower() and "555" not in detail for _, detail in acts(demo))
