from __future__ import annotations

import logging
import ssl
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.carriers.carrier import Carrier, CarrierError, MessageStatus, OutgoingMessage
from bot.carriers.email import EmailCarrier
from bot.domain.messages.delivery import FINAL_STATES, DeliveryState
from bot.domain.messages.message import Address, Channel, OutboxLane
from bot.storage.messages.outbox import next_poll_at
from tests.stand_ins.smtp import CUTS, HANGS, StandInSmtp

WORKER = Address(Channel.EMAIL, "rosa@city.example")
ALERT = "Someone is waiting: handoff 41\n\nOpen the console, or answer 1 by text.\n¿Quién puede?"
FROM = "line@help.example"


@pytest.fixture
def server() -> Iterator[StandInSmtp]:
    with StandInSmtp() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def carrier_to(server: StandInSmtp, url: str = "", **rest: Any) -> EmailCarrier:
    return EmailCarrier(url or server.url, FROM, **{"timeout": 0.5, **rest})


def alert(
    body: str = ALERT, to: Address = WORKER, message_id: int = 7, lane: OutboxLane = OutboxLane.REPLY
) -> OutgoingMessage:
    return OutgoingMessage(message_id, to, body, lane)


def failure_of(server: StandInSmtp) -> CarrierError:
    with pytest.raises(CarrierError) as error:
        carrier_to(server).send(alert())
    return error.value


def test_it_is_a_carrier(server: StandInSmtp) -> None:
    carrier: Carrier = carrier_to(server)
    assert carrier.send(alert()).sid
    assert carrier.find(alert(), datetime.now(UTC)) is None


def test_it_mails_the_first_line_as_subject_and_the_rest_as_text(server: StandInSmtp) -> None:
    receipt = carrier_to(server).send(alert())
    (mail,) = server.mails
    assert (mail.sender, mail.to) == (FROM, "rosa@city.example")
    assert mail.parsed["Subject"] == "Someone is waiting: handoff 41"
    assert mail.parsed.get_content().replace("\r", "").strip() == "Open the console, or answer 1 by text.\n¿Quién puede?"
    assert mail.parsed.get_content_type() == "text/plain"
    assert mail.parsed["Message-ID"] == receipt.sid
    assert mail.parsed["Auto-Submitted"] == "auto-generated"
    assert mail.parsed["Date"] and mail.raw.isascii()


def test_it_mails_one_line_as_subject_and_text(server: StandInSmtp) -> None:
    carrier_to(server).send(alert("¿Puede tomar el 41?"))
    parsed = server.mails[0].parsed
    assert (parsed["Subject"], parsed.get_content().strip()) == ("¿Puede tomar el 41?", "¿Puede tomar el 41?")


def test_it_marks_a_crisis_as_important(server: StandInSmtp) -> None:
    carrier_to(server).send(alert(lane=OutboxLane.CRISIS))
    carrier_to(server).send(alert())
    assert [mail.parsed["Importance"] for mail in server.mails] == ["high", None]


def test_it_repeats_a_mail_under_the_same_id_and_another_under_its_own(server: StandInSmtp) -> None:
    carrier = carrier_to(server)
    first, again = carrier.send(alert()), carrier.send(alert())
    other, reused = carrier.send(alert(message_id=8)), carrier.send(alert("Another alert"))
    assert first.sid == again.sid
    assert len({first.sid, other.sid, reused.sid}) == 3


def test_it_is_never_asked_for_a_delivery_report(server: StandInSmtp) -> None:
    receipt, now = carrier_to(server).send(alert()), datetime.now(UTC)
    assert receipt.state in FINAL_STATES
    assert next_poll_at(OutboxLane.CRISIS, receipt.state, now) is None
    assert carrier_to(server).fetch_status(receipt.sid) == MessageStatus(DeliveryState.DELIVERED)


@pytest.mark.parametrize(
    ("verb", "answer", "permanent"),
    [
        ("HELLO", "421 busy", False),
        ("HELLO", "554 not you", False),
        ("MAIL", "451 later", False),
        ("MAIL", "550 who are you", False),
        ("RCPT", "450 greylisted", False),
        ("RCPT", "550 no such user rosa@city.example", True),
        ("DATA", "451 later", False),
        ("DATA", "554 no", True),
        (".", "452 full", False),
        (".", "552 too much", True),
    ],
)
def test_it_distinguishes_a_temporary_refusal_from_a_permanent_one(
    server: StandInSmtp, verb: str, answer: str, permanent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer(verb, answer)
    error = failure_of(server)
    assert (error.outcome, error.permanent, error.code) == ("refused", permanent, None)
    assert answer[:3] in str(error)
    assert "rosa" not in caplog.text + str(error)
    assert server.mails == []


@pytest.mark.parametrize("how", [HANGS, CUTS])
@pytest.mark.parametrize("verb", ["HELLO", "EHLO", "MAIL", "RCPT"])
def test_it_knows_that_nothing_was_taken_before_the_text_was_sent(server: StandInSmtp, verb: str, how: str) -> None:
    server.answer(verb, how)
    error = failure_of(server)
    assert (error.outcome, error.permanent) == ("refused", False)


@pytest.mark.parametrize("how", [HANGS, CUTS, "nonsense"])
def test_it_does_not_know_after_the_text_was_sent(server: StandInSmtp, how: str) -> None:
    server.answer(".", how)
    error = failure_of(server)
    assert (error.outcome, error.permanent) == ("unknown", False)


def test_it_succeeds_once_the_mail_is_taken_however_the_connection_ends(server: StandInSmtp) -> None:
    server.answer("QUIT", CUTS)
    assert carrier_to(server).send(alert()).sid
    assert len(server.mails) == 1


def test_it_reports_a_refused_connection() -> None:
    with StandInSmtp() as gone:
        pass
    assert (failure_of(gone).outcome, failure_of(gone).permanent) == ("refused", False)


def test_it_signs_in_with_a_password_that_needed_escaping(server: StandInSmtp) -> None:
    server.passwords["line@city"] = "p@ss/word"
    url = f"smtp://line%40city:p%40ss%2Fword@127.0.0.1:{server.port}"
    carrier_to(server, url).send(alert())
    assert server.mails[0].user == "line@city"


def test_it_keeps_a_mail_while_its_password_is_refused(server: StandInSmtp) -> None:
    server.passwords["line"] = "right"
    wrong = "x1" * 6
    with pytest.raises(CarrierError) as error:
        carrier_to(server, f"smtp://line:{wrong}@127.0.0.1:{server.port}").send(alert())
    assert (error.value.permanent, error.value.outcome, server.mails) == (False, "refused", [])
    assert wrong not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(("scheme", "whole"), [("smtp", False), ("smtp+starttls", False), ("smtps", True)])
def test_it_mails_over_tls(server_side: ssl.SSLContext, certificate: Path, scheme: str, whole: bool) -> None:
    with StandInSmtp(tls=server_side, whole=whole) as server:
        carrier_to(server, f"{scheme}://127.0.0.1:{server.port}", tls=trusting(certificate)).send(alert())
    assert [mail.was_private for mail in server.mails] == [True]


@pytest.mark.parametrize(("scheme", "whole"), [("smtp", False), ("smtp+starttls", False), ("smtps", True)])
def test_it_mails_nothing_to_a_server_whose_certificate_is_not_good(
    server_side: ssl.SSLContext, scheme: str, whole: bool
) -> None:
    with StandInSmtp(tls=server_side, whole=whole) as server, pytest.raises(CarrierError) as error:
        carrier_to(server, f"{scheme}://127.0.0.1:{server.port}").send(alert())
    assert (error.value.outcome, error.value.permanent, server.mails) == ("refused", False, [])


def test_it_mails_nothing_in_the_clear_where_tls_was_asked_for(server: StandInSmtp) -> None:
    with pytest.raises(CarrierError):
        carrier_to(server, f"smtp+starttls://127.0.0.1:{server.port}").send(alert())
    assert server.mails == []


@pytest.mark.parametrize("to", ["", "rosa", "rosa@", "a@b.example, c@d.example", "r\u00f3sa@city.example", "a@b\nBcc: c@d"])
def test_it_refuses_what_is_no_address_for_good(server: StandInSmtp, to: str) -> None:
    with pytest.raises(CarrierError) as error:
        carrier_to(server).send(alert(to=Address(Channel.EMAIL, to)))
    assert (error.value.permanent, server.connections) == (True, 0)


@pytest.mark.parametrize(
    "body", ["Half \ud800 a pair\n\nand \udfff", "x" * 3000, "a\r\nBcc: b@c.example\r\n\r\n.\r\nQUIT", "\n\n"]
)
def test_it_mails_whatever_an_alert_contains(server: StandInSmtp, body: str) -> None:
    carrier_to(server).send(alert(body))
    (mail,) = server.mails
    assert (mail.to, mail.parsed["Bcc"]) == ("rosa@city.example", None)


def test_it_logs_no_address_and_no_words(server: StandInSmtp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer("RCPT", "550 no such user rosa@city.example")
    error = failure_of(server)
    shown = caplog.text + "".join(traceback.format_exception(error)) + repr(alert())
    assert not any(secret in shown for secret in ("rosa", "waiting"))


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25"])
def test_it_needs_a_server(url: str) -> None:
    with pytest.raises(ValueError, match="mail server"):
        EmailCarrier(url, FROM)


def test_it_needs_an_address_of_ours() -> None:
    with pytest.raises(ValueError, match="address of ours"):
        EmailCarrier("smtp://mail.example", "")
