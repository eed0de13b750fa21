"""Alerts to staff by e-mail, through the city's own mail server.

Residents are never written to by e-mail, and no mail holds a word or a number of theirs: mail is kept on servers that
are not ours and shown on locked screens. Whoever writes an alert answers for that; this carrier cannot see it.
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

from bot.carriers.carrier import CarrierError, Outgoing, Receipt, Seen
from bot.domain.delivery import State
from bot.domain.message import Lane

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
_plain_address = re.compile(r"[\x21-\x7e]+@[\x21-\x7e]+")


class EmailCarrier:
    """Hands plain-text mails to one SMTP server, a connection for each: alerts are few, and an idle one gets stale.

    `smtp_url`: smtps:// (TLS from the start), smtp+starttls:// (refused where the server offers none) or smtp:// (TLS
    where the server offers it, for a relay of one's own), each with user:password@ where the server wants a sign-in,
    percent-encoded. A certificate is always checked, by `tls` where that is given (a city's own authority). `mail_from`
    is a plain address of ours. `timeout` is in seconds, for each answer of the server.
    """

    def __init__(
        self, smtp_url: str, mail_from: str, *, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        parts = urlsplit(smtp_url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the mail server must be given as smtp://, smtps:// or smtp+starttls:// with its name")
        if not _plain_address.fullmatch(mail_from):
            raise ValueError("mails need an address of ours that they come from")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._from, self._tls, self._timeout = mail_from, tls or ssl.create_default_context(), timeout

    def send(self, outgoing: Outgoing) -> Receipt:
        """Hand the mail over. The first line of the body is the subject, the rest is the text.

        The receipt says DELIVERED, which here means that the server has taken it in charge: no later word ever comes
        by SMTP, and a state that waits for one would have the outbox ask in vain and then call a human about it.
        Whether it was read nobody knows; a handoff goes on calling others until somebody claims it.
        """
        mail = self._mail(outgoing)
        with self._open() as server:
            _must_take(server.mail(self._from), for_good=False)
            _must_take(server.rcpt(outgoing.to.value), for_good=True)
            _send_text(server, mail.as_bytes())
        return Receipt(str(mail["Message-ID"]), State.DELIVERED, 0)

    def find(self, outgoing: Outgoing, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """None, always: no mail server can be asked. So a mail in doubt is sent again, under the same Message-ID, by
        which most mailboxes show it once; an alert that comes twice is better than none."""
        return None

    def look(self, sid: str) -> Seen | None:
        """Delivered, as far as this carrier ever knows; see `send`."""
        return Seen(State.DELIVERED)

    def _mail(self, outgoing: Outgoing) -> EmailMessage:
        to = outgoing.to.value
        if not _plain_address.fullmatch(to):
            raise CarrierError("not a plain e-mail address", permanent=True)
        # Half a surrogate pair can be stored in no mail; it becomes a mark, and the alert leaves.
        body = outgoing.body.encode("utf-8", "replace").decode()
        subject, _, text = body.strip().partition("\n")
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self._from, to
        mail["Subject"] = " ".join(subject.split())
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = self._id(outgoing)
        # RFC 3834: nobody's "I am away" comes back, to an address that nobody reads.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        if outgoing.lane is Lane.CRISIS:
            mail["Importance"] = "high"
        mail.set_content((text.strip() or subject) + "\n", charset="utf-8", cte="quoted-printable")
        return mail

    def _id(self, outgoing: Outgoing) -> str:
        """The same for every try of this row. The digest parts two rows of one number, of an installation made anew:
        mailboxes pass over a mail whose id they have seen."""
        digest = sha256(f"{outgoing.to.value}\n{outgoing.body}".encode("utf-8", "replace")).hexdigest()[:16]
        return f"<{outgoing.message_id}.{digest}@{self._from.rpartition('@')[2]}>"

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        """A signed-in connection. A failure before the text is on its way means that nothing was taken."""
        server: smtplib.SMTP | None = None
        try:
            server = self._connect()
            yield server
        except smtplib.SMTPResponseException as error:
            # Its words may repeat the address; the number is enough. These are answers to what we are, not to this
            # mail: a sign-in that is refused is mended by an operator, and the mail is kept until then.
            log.error("the mail server refused us: %s %s", type(error).__name__, error.smtp_code)
            raise CarrierError(f"the mail server answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            log.warning("the mail server could not be used: %s", type(error).__name__)
            raise CarrierError(f"the mail server could not be used ({type(error).__name__})") from None
        finally:
            if server is not None:
                _leave(server)

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
        if not is_private and not _is_here(self._host):
            raise smtplib.SMTPNotSupportedError("no TLS is offered, and the password is not sent in the clear")
        server.ehlo_or_helo_if_needed()
        server.login(self._user, self._password)


def _must_take(answer: tuple[int, bytes], *, for_good: bool) -> None:
    """Raise CarrierError for any answer but a yes: 4xx may be tried again; so may 5xx where it is about our own address
    and not `for_good` about theirs."""
    code = answer[0]
    if not 200 <= code < 300:
        raise CarrierError(f"the mail server answered {code}", permanent=for_good and 500 <= code < 600)


def _send_text(server: smtplib.SMTP, mail: bytes) -> None:
    try:
        answer = server.data(mail)
    except smtplib.SMTPDataError as error:
        # It did not want to hear the text, so it has none.
        answer = (error.smtp_code, b"")
    except (smtplib.SMTPException, OSError) as error:
        raise CarrierError(f"no answer from the mail server ({type(error).__name__})", outcome="unknown") from None
    if answer[0] < 400 and not 200 <= answer[0] < 300:
        raise CarrierError("the mail server's answer could not be read", outcome="unknown")
    _must_take(answer, for_good=True)


def _leave(server: smtplib.SMTP) -> None:
    # The mail is taken or is not; how the farewell goes changes nothing.
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
