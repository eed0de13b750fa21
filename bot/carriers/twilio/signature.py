"""Verifies that a request comes from Twilio.

Our own implementation, because it runs on every message before anything else: about 4 us per token, where the library's
`RequestValidator` takes about 55 us (it parses the URL and signs it twice). The tests compare both on random requests and on
the test vectors of four of Twilio's libraries. Two more reasons: the library raises TypeError on a body of bytes or without
a hash, which would turn a forged request into an error page, and its comparison in Python is not constant-time.

The rule: base64(HMAC-SHA1(token, URL + each parameter's name and value, sorted by name, then value, each once)). A body
that is not a form is signed by its SHA-256, which Twilio puts into the query as `bodySHA256`.
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
    """The URL that Twilio was configured with, and therefore signed, for a request that reached us.

    `public_url` comes from our settings (with or without a final slash) and not from Host or X-Forwarded headers: a proxy
    that terminates TLS changes those, and the sender of a request chooses them. `raw_path` and `raw_query` are as received,
    still percent-encoded; a fragment (such as #rc=2) is never sent and never signed.
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
    """The index of the token in `tokens` that signed this request, or None when none did. Never raises.

    Give `form` for a form, otherwise `raw_body`, and neither for a GET. `tokens` are the current one and, while the token
    is being rotated, the next one. A match by any index but 0 should be logged for the operator: Twilio has promoted the
    new token and the old one can be removed. A malformed request counts as unsigned.
    """
    try:
        return _matching_token(tokens, url, signature, form, raw_body)
    except (UnicodeError, TypeError, ValueError, AttributeError, KeyError):
        return None


def _matching_token(
    tokens: Sequence[str], url: str, signature: str | None, form: Form | None, raw_body: bytes | None
) -> int | None:
    if not signature or (raw_body and not _body_hash_matches(url, raw_body)):
        return None
    given = signature.encode("ascii")
    # A body decoded with surrogateescape gets its original bytes back here, so even invalid UTF-8 is checked as signed.
    suffix = _parameters(form).encode("utf-8", "surrogateescape") if form else b""
    for address in _candidate_urls(url):
        message = address.encode("utf-8", "surrogateescape") + suffix
        for index, token in enumerate(tokens):
            # An empty token would verify like any other: with a blank setting anyone could forge requests.
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


def _body_hash_matches(url: str, raw_body: bytes) -> bool:
    """Whether the URL's `bodySHA256` is the hash of this body."""
    promised = parse_qs(url.partition("?")[2]).get("bodySHA256", [""])[0]
    return hmac.compare_digest(sha256(raw_body).hexdigest(), promised)


def _candidate_urls(url: str) -> Iterator[str]:
    """The URL as given, then with the port added or removed: Twilio's services differ in which they sign.

    An apostrophe is finally also tried as %27, since Twilio encodes it and some proxies decode it.
    """
    yield url
    scheme, separator, rest = url.partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    authority, tail = rest[:end], rest[end:]
    bare, _, port = authority.rpartition(":")
    # "user:word@host" and "[::1]" contain colons too; only digits after the last one are a port.
    if port.isdigit() and bare and "@" not in port:
        other = f"{scheme}{separator}{bare}{tail}"
    else:
        other = f"{scheme}{separator}{authority}:{443 if scheme == 'https' else 80}{tail}"
    yield other
    if "'" in tail:
        yield url.replace("'", "%27")
        yield other.replace("'", "%27")
