"""Alerts to staff by e-mail, through the city's own mail server.

People who text the line are never written to by e-mail, and no mail contains their words or numbers: mail is stored on
servers that are not ours and shown on locked screens. The code that writes the alert must ensure this, not this carrier.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from bot.carriers.carrier import CarrierError, MessageStatus, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import OutboxLane

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
_PLAIN_ADDRESS = re.compile(r"[\x21-\x7e]+@[\x21-\x7e]+")


class EmailCarrier:
    """Sends plain-text mails to one SMTP server, with a connection for each: alerts are few, and idle connections go stale.

    `smtp_url`: smtps:// (TLS from the start), smtp+starttls:// (fails if the server does not offer TLS) or smtp:// (TLS if
    the server offers it, for a relay in one's own network), each with percent-encoded user:password@ if the server requires
    a sign-in. Certificates are always checked, with `tls` if given (a city's own authority). `mail_from` is one plain
    address of ours. `timeout` is in seconds, for each answer of the server.
    """

    def __init__(
        self, smtp_url: str, mail_from: str, *, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        parts = urlsplit(smtp_url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the mail server must be given as smtp://, smtps:// or smtp+starttls:// with its name")
        if not _PLAIN_ADDRESS.fullmatch(mail_from):
            raise ValueError("mails need an address of ours that they come from")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._from, self._tls, self._timeout = mail_from, tls or ssl.create_default_context(), timeout

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Send the mail. The first line of the body is the subject, the rest is the text.

        The receipt says DELIVERED, which here means that the server has accepted the mail: SMTP sends no later report, and
        with a state that waits for one the outbox would ask in vain and then alert staff. Whether the mail was read is not
        known; a handoff goes on escalating until a social worker claims it.
        """
        mail = self._compose(outgoing)
        with self._open() as server:
            _require_acceptance(server.mail(self._from), may_be_permanent=False)
            _require_acceptance(server.rcpt(outgoing.to.value), may_be_permanent=True)
            _send_text(server, mail.as_bytes())
        return Receipt(str(mail["Message-ID"]), DeliveryState.DELIVERED, 0)

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Always None: mail servers cannot be asked. So a mail in doubt is sent again with the same Message-ID, which most
        mailboxes show once; an alert that comes twice is better than none."""
        return None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """Always DELIVERED, see `send`."""
        return MessageStatus(DeliveryState.DELIVERED)

    def _compose(self, outgoing: OutgoingMessage) -> EmailMessage:
        to = outgoing.to.value
        if not _PLAIN_ADDRESS.fullmatch(to):
            raise CarrierError("not a plain e-mail address", permanent=True)
        # A lone surrogate cannot be encoded; it is replaced, so that the alert is still sent.
        body = outgoing.body.encode("utf-8", "replace").decode()
        subject, _, text = body.strip().partition("\n")
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self._from, to
        mail["Subject"] = " ".join(subject.split())
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = self._message_id(outgoing)
        # RFC 3834: prevents out-of-office replies to an address that is not read.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if outgoing.lane is OutboxLane.CRISIS:
            mail["Importance"] = "high"
        mail.set_content((text.strip() or subject) + "\n", charset="utf-8", cte="quoted-printable")
        return mail

    def _message_id(self, outgoing: OutgoingMessage) -> str:
        """The Message-ID, the same for every try of this row. The digest distinguishes rows with the same id after a fresh
        installation: mailboxes ignore a mail whose id they have seen."""
        digest = sha256(f"{outgoing.to.value}\n{outgoing.body}".encode("utf-8", "replace")).hexdigest()[:16]
        return f"<{outgoing.message_id}.{digest}@{self._from.rpartition('@')[2]}>"

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        """A signed-in connection. A failure before the mail's text is sent means that the server accepted nothing."""
        server: smtplib.SMTP | None = None
        try:
            server = self._connect()
            yield server
        except smtplib.SMTPResponseException as error:
            # The answer's text may repeat the address; the code is enough. These errors concern our account, not this
            # mail: an operator must correct a refused sign-in, and the mail is kept until then.
            log.error("the mail server refused us: %s %s", type(error).__name__, error.smtp_code)
            raise CarrierError(f"the mail server answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            log.warning("the mail server could not be used: %s", type(error).__name__)
            raise CarrierError(f"the mail server could not be used ({type(error).__name__})") from None
        finally:
            if server is not None:
                _disconnect(server)

    def _connect(self) -> smtplib.SMTP:
        if self._scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=self._tls)
            is_private = True
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
            is_private = False
        try:
            server.ehlo_or_helo_if_needed()
            if not is_private and (self._scheme == "smtp+starttls" or server.has_extn("starttls")):
                server.starttls(context=self._tls)
                is_private = True
            if self._user:
                self._sign_in(server, is_private)
        except BaseException:
            server.close()
            raise
        return server

    def _sign_in(self, server: smtplib.SMTP, is_private: bool) -> None:
        if not is_private and not _is_loopback(self._host):
            raise smtplib.SMTPNotSupportedError("no TLS is offered, and the password is not sent in the clear")
        server.ehlo_or_helo_if_needed()
        server.login(self._user, self._password)


def _require_acceptance(answer: tuple[int, bytes], *, may_be_permanent: bool) -> None:
    """Raise CarrierError for any answer but 2xx. A 5xx about our own address is not permanent (`may_be_permanent`)."""
    code = answer[0]
    if not 200 <= code < 300:
        raise CarrierError(f"the mail server answered {code}", permanent=may_be_permanent and 500 <= code < 600)


def _send_text(server: smtplib.SMTP, mail: bytes) -> None:
    try:
        answer = server.data(mail)
    except smtplib.SMTPDataError as error:
        # The server refused to receive the text, so it does not have it.
        answer = (error.smtp_code, b"")
    except (smtplib.SMTPException, OSError) as error:
        raise CarrierError(f"no answer from the mail server ({type(error).__name__})", outcome="unknown") from None
    if answer[0] < 400 and not 200 <= answer[0] < 300:
        raise CarrierError("the mail server's answer could not be read", outcome="unknown")
    _require_acceptance(answer, may_be_permanent=True)


def _disconnect(server: smtplib.SMTP) -> None:
    # Whether the mail was accepted is already decided; errors while disconnecting change nothing.
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
