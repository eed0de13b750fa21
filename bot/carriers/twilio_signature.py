"""Whether a request that says it comes from Twilio does.

Written by hand because it runs on every message before anything else: about 4 us for a token, where the
library's `RequestValidator` takes about 55 us (it parses the address and signs it twice). The library stays
the authority: the tests hold the two together on random requests and on the vectors of four of Twilio's
libraries. Two more reasons: the library raises TypeError on a body of bytes or without a hash, which would
turn a forged request into an error page, and it compares in Python, where the time taken depends on where
the strings differ.

The rule: base64(HMAC-SHA1(token, address + each parameter's name and value, sorted by name, then value,
each once)). A body that is no form is signed through its SHA-256, which Twilio puts into the query as
`bodySHA256`.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol, cast
from urllib.parse import parse_qs

HEADER = "X-Twilio-Signature"


class _MultiValued(Protocol):
    def lists(self) -> Iterable[tuple[str, Sequence[str]]]: ...


Form = Mapping[str, str] | Mapping[str, Sequence[str]]
"""Posted parameters: name to value, name to values, or a web framework's mapping that has a `lists()`."""


def signed_url(public_url: str, raw_path: str, raw_query: str = "") -> str:
    """The address that Twilio was given, and so signed, for a request that reached us.

    `public_url` comes from our settings (no slash at the end is needed) and not from Host or X-Forwarded
    headers: a proxy that ends TLS changes those, and whoever sends a request chooses them. `raw_path` and
    `raw_query` are taken as they came, still percent-encoded; a fragment (#rc=2 and the like) is never sent
    and never signed.
    """
    url = public_url.rstrip("/") + raw_path
    return f"{url}?{raw_query}" if raw_query else url


def matching_token(
    tokens: Sequence[str],
    url: str,
    signature: str | None,
    *,
    form: Form | None = None,
    raw_body: bytes | None = None,
) -> int | None:
    """Which of `tokens` signed this request: its index, or None when none did. It never raises.

    Give `form` for a form, else `raw_body`, else neither for a GET. `tokens` are the current and, while the
    token is being changed, the next one: a match by any index but 0 is worth a line to the operator, since
    Twilio has promoted the new token and the old one can go. A request that cannot be read is a request
    nobody signed.
    """
    try:
        return _matching_token(tokens, url, signature, form, raw_body)
    except (UnicodeError, TypeError, ValueError, AttributeError, KeyError):
        return None


def _matching_token(
    tokens: Sequence[str], url: str, signature: str | None, form: Form | None, raw_body: bytes | None
) -> int | None:
    if not signature or (raw_body and not _is_body_of(url, raw_body)):
        return None
    given = signature.encode("ascii")
    # A body read with surrogateescape gets its own bytes back here, so even bad UTF-8 is checked as it was
    # signed.
    suffix = _parameters(form).encode("utf-8", "surrogateescape") if form else b""
    for address in _addresses(url):
        message = address.encode("utf-8", "surrogateescape") + suffix
        for index, token in enumerate(tokens):
            # An empty token signs like any other: a setting left blank would let everybody in.
            if token and hmac.compare_digest(_sign(token, message), given):
                return index
    return None


def _sign(token: str, message: bytes) -> bytes:
    return b2a_base64(hmac.digest(token.encode(), message, "sha1"), newline=False)


def _parameters(form: Form) -> str:
    lists = getattr(form, "lists", None)
    pairs: Iterable[tuple[str, str | Sequence[str]]] = (
        cast(_MultiValued, form).lists() if lists is not None else form.items()
    )
    signed = []
    for name, values in sorted(pairs):
        if isinstance(values, str):
            signed.append(name + values)
        elif len(values) == 1:
            signed.append(name + values[0])
        else:
            signed.extend(name + value for value in sorted(set(values)))
    return "".join(signed)


def _is_body_of(url: str, raw_body: bytes) -> bool:
    """Whether the address promises this very body."""
    promised = parse_qs(url.partition("?")[2]).get("bodySHA256", [""])[0]
    return hmac.compare_digest(sha256(raw_body).hexdigest(), promised)


def _addresses(url: str) -> Iterator[str]:
    """The address as it stands, then with or without a port: Twilio's services differ in which they sign.

    An apostrophe in the query is tried as %27 at last, since Twilio encodes it and some of our proxies
    decode it.
    """
    yield url
    scheme, separator, rest = url.partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    authority, tail = rest[:end], rest[end:]
    bare, _, port = authority.rpartition(":")
    # "user:word@host" and "[::1]" hold colons too; only digits after the last one are a port.
    if port.isdigit() and bare and "@" not in port:
        other = f"{scheme}{separator}{bare}{tail}"
    else:
        other = f"{scheme}{separator}{authority}:{443 if scheme == 'https' else 80}{tail}"
    yield other
    if "'" in tail:
        yield url.replace("'", "%27")
        yield other.replace("'", "%27")
