"""A resident texts and is answered, through the signed webhook, on real servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from bot.storage.tables.residents import Alert, Consent, Conversation, Handoff, Message, Referral
from tests.support.help_line import ADA, MARCUS, PUBLIC_URL, HelpLine


def test_it_answers_the_first_text_with_who_we_are_and_the_question_that_follows(line: HelpLine) -> None:
    said = "\n".join(line.text("my landlord is evicting me"))
    assert "STL Help" in said and "court date" in said


def test_it_answers_spanish_in_spanish(line: HelpLine) -> None:
    said = "\n".join(line.text("me van a desalojar"))
    assert "corte" in said and "court" not in said


def test_it_ends_an_eviction_with_a_court_date_in_a_handoff(line: HelpLine) -> None:
    line.text("my landlord is evicting me")
    line.text("friday")
    for body in ("63118", "1", "yes"):
        line.text(body)
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
    assert handoff.team == "housing" and handoff.state == "waiting"


def test_it_texts_services_and_records_the_referral(line: HelpLine) -> None:
    line.text("i need food")
    said = "\n".join(line.text("63118"))
    assert "211" in said
    assert line.count(Referral) >= 1


def test_it_makes_one_turn_of_twenty_posts_of_one_message(line: HelpLine) -> None:
    form = {"From": ADA, "To": "+13145550100", "Body": "hi", "MessageSid": "SM" + "1" * 32, "NumMedia": "0"}
    url = f"{PUBLIC_URL}/twilio/sms"
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: line.twilio.post_signed(url, form), range(20)))
    assert {status for status, _, _ in answers} == {200}
    assert len({text for _, _, text in answers}) == 1 and "STL Help" in answers[0][2]
    assert line.count(Message, ~Message.outbound) == 1
    assert line.count(Conversation) == 1


def test_it_takes_two_texts_of_one_person_at_the_same_instant(line: HelpLine) -> None:
    line.text("hello")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: line.text(f"i need food {n}"), range(8)))
    with line.db() as db:
        rows = db.scalars(select(Message).where(~Message.outbound))
        bodies = [line.runtime.context.sealer.open(row.sealed_body or "") for row in rows]
    assert sorted(bodies) == sorted(["hello", *(f"i need food {n}" for n in range(8))])
    assert line.count(Conversation) == 1


def test_it_takes_first_texts_of_many_people_at_once(line: HelpLine) -> None:
    people = [f"+1314555{n:04d}" for n in range(30)]
    with ThreadPoolExecutor(15) as pool:
        answers = list(pool.map(lambda person: line.text("hi", person), people))
    assert all("STL Help" in "\n".join(answer) for answer in answers)
    assert line.count(Conversation) == 30


def test_it_hears_danger_first_and_calls_a_human(line: HelpLine) -> None:
    line.text("hi")
    said = line.text("i want to kill myself tonight")
    assert "988" in said[0]
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
        assert (handoff.reason, handoff.team) == ("danger", "crisis")
        assert db.scalars(select(Alert).where(Alert.kind == "handoff")).one().handoff_id == handoff.id
        reply = db.scalars(select(Message).where(Message.outbound).order_by(Message.id.desc()).limit(1)).one()
    assert reply.lane == "crisis"


def test_it_asks_about_doubtful_words_and_goes_back_to_the_place(line: HelpLine) -> None:
    line.text("i need food")
    asked = line.text("i feel hopeless")
    assert "988" in asked[0]
    again = "\n".join(line.text("1"))
    assert "ZIP" in again
    assert line.count(Handoff) == 0


def test_it_opts_out_and_then_says_nothing(line: HelpLine) -> None:
    line.text("hi")
    assert "opted out" in line.text("STOP")[0].lower()
    assert line.text("hello?") == []
    with line.db() as db:
        entry = db.scalars(select(Consent)).one()
        silent = db.scalars(select(Message).where(~Message.outbound).order_by(Message.id.desc()).limit(1)).one()
    assert (entry.choice, entry.method) == ("opted_out", "keyword") and entry.message_id
    assert silent.silence == "opted out"
    assert "opted" in line.text("START")[0].lower()


def test_it_calls_a_human_for_danger_from_a_person_who_opted_out(line: HelpLine) -> None:
    line.text("STOP")
    assert line.text("i took all my pills") == []
    with line.db() as db:
        handoff = db.scalars(select(Handoff)).one()
    assert handoff.reachable is False and handoff.urgency == "now"


def test_it_does_not_answer_what_the_carrier_has_answered(line: HelpLine) -> None:
    assert line.text("STOP", OptOutType="STOP") == []
    assert line.count(Consent, Consent.method == "carrier") == 1
    assert line.text("START", OptOutType="START") == []
    assert line.text("HELP", OptOutType="HELP") == []


def test_it_takes_the_wish_to_be_left_alone_but_not_a_cry_for_help_with_the_same_words(line: HelpLine) -> None:
    line.text("stop him he is hitting me", MARCUS)
    assert line.count(Consent) == 0 and line.count(Handoff) == 1
    line.text("please stop texting me")
    assert line.count(Consent, Consent.method == "free_text") == 1


def test_it_takes_pictures_whatsapp_long_and_foreign_texts(line: HelpLine) -> None:
    line.text("", NumMedia="1", MediaUrl0="https://api.twilio.com/x", MediaContentType0="image/jpeg")
    line.text("hola", "whatsapp:+13145550199", Latitude="38.6", Longitude="-90.2")
    for body in ("x" * 1600, "مرحبا أحتاج مساعدة", "😀😀", "a\x00b", "", "SIM[]{}~"):
        line.text(body, MARCUS)
    assert line.count(Message, ~Message.outbound) == 8
    with line.db() as db:
        assert {c.channel for c in db.scalars(select(Conversation))} == {"sms", "whatsapp"}


def test_it_keeps_words_and_numbers_sealed(line: HelpLine) -> None:
    line.text("my secret words")
    with line.db() as db:
        connection = db.connection().connection.driver_connection
        rows = connection.execute("select c::text, m::text from conversation c join message m on true").fetchall()  # type: ignore[union-attr]
    stored = " ".join(map(str, rows))
    assert "3145550142" not in stored and "secret" not in stored
