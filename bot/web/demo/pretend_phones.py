"""The pretend phones of one browser, kept in a signed cookie: which there are and which are open on the page.

A pretend phone's address is its random key, so that two visitors of a demo never read each other's texts.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from itsdangerous import BadSignature, URLSafeSerializer

INITIAL_NAMES = ("Ada", "Lucía", "Marcus")
EXTRA_NAMES = ("Nia", "Tomás", "Walter", "Amira", "Joy", "Dmitri", "Rosa", "Ben", "Mei")
MAX_PHONES = len(INITIAL_NAMES) + len(EXTRA_NAMES)
"""The limit keeps the cookie below 4 kB."""
MAX_OPEN = 3
COOKIE = "pretend_phones"


@dataclass(frozen=True, slots=True)
class PretendPhone:
    """`number` is one of the fictional 555-01xx numbers: it is only shown."""

    key: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class BrowserPhones:
    """All phones, and the keys of the open ones, the one in front first. `secret` goes into every form."""

    phones: tuple[PretendPhone, ...]
    open_keys: tuple[str, ...]
    secret: str

    @property
    def open_phones(self) -> list[PretendPhone]:
        return [phone for key in self.open_keys if (phone := self.find(key))]

    @property
    def is_full(self) -> bool:
        return len(self.phones) >= MAX_PHONES

    def find(self, key: str) -> PretendPhone | None:
        return next((phone for phone in self.phones if phone.key == key), None)

    def bring_to_front(self, key: str) -> BrowserPhones:
        """With this phone in front; if too many are open, the one that was opened longest ago is closed."""
        return replace(self, open_keys=(key, *(other for other in self.open_keys if other != key))[:MAX_OPEN])

    def close(self, key: str) -> BrowserPhones:
        """With this phone closed; the last open one stays open."""
        left = tuple(other for other in self.open_keys if other != key)
        return replace(self, open_keys=left or self.open_keys)

    def with_new_phone(self) -> BrowserPhones:
        """With one more phone, in front; unchanged if there are already the most allowed."""
        if self.is_full:
            return self
        phone = _make_phone(EXTRA_NAMES[len(self.phones) - len(INITIAL_NAMES)], self.phones)
        return replace(self, phones=(*self.phones, phone)).bring_to_front(phone.key)


def new_phones() -> BrowserPhones:
    """The phones for a new visitor: three, of which two are open."""
    phones: tuple[PretendPhone, ...] = ()
    for name in INITIAL_NAMES:
        phones = (*phones, _make_phone(name, phones))
    return BrowserPhones(phones, tuple(phone.key for phone in phones[:2]), secrets.token_urlsafe(12))


def _make_phone(name: str, others: tuple[PretendPhone, ...]) -> PretendPhone:
    taken = {phone.number for phone in others}
    free = [number for last in range(100, 200) if (number := f"(314) 555-0{last}") not in taken]
    return PretendPhone(secrets.token_urlsafe(9), name, secrets.choice(free))


def dump(table: BrowserPhones, secret_key: str) -> str:
    """The cookie's value."""
    phones = [[phone.key, phone.name, phone.number] for phone in table.phones]
    return _signer(secret_key).dumps([phones, table.open_keys, table.secret])


def load(value: str, secret_key: str) -> BrowserPhones | None:
    """What `dump` wrote, or None if the signature is not ours."""
    try:
        phones, open_keys, secret = _signer(secret_key).loads(value)
    except BadSignature:
        return None
    return BrowserPhones(tuple(PretendPhone(*phone) for phone in phones), tuple(open_keys), secret)


def _signer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="warmline pretend phones")
