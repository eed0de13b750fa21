"""The pretend telephones of one browser, in a signed cookie: who they are and which lie open on the table.

A pretend telephone's address is its random key, so that two visitors of a demo never read each other's texts.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from itsdangerous import BadSignature, URLSafeSerializer

FIRST = ("Ada", "Lucía", "Marcus")
NAMES = ("Nia", "Tomás", "Walter", "Amira", "Joy", "Dmitri", "Rosa", "Ben", "Mei")
MOST = len(FIRST) + len(NAMES)
"""A cookie holds 4 kB."""
MOST_OPEN = 3
COOKIE = "pretend_phones"


@dataclass(frozen=True, slots=True)
class PretendPhone:
    """`number` is made up, of those that films use: it is shown and dials nobody."""

    key: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class Table:
    """The telephones, and the keys of the open ones, the foremost first. `secret` goes into every form."""

    phones: tuple[PretendPhone, ...]
    open_keys: tuple[str, ...]
    secret: str

    @property
    def open_phones(self) -> list[PretendPhone]:
        return [phone for key in self.open_keys if (phone := self.find(key))]

    @property
    def is_full(self) -> bool:
        return len(self.phones) >= MOST

    def find(self, key: str) -> PretendPhone | None:
        return next((phone for phone in self.phones if phone.key == key), None)

    def front(self, key: str) -> Table:
        """This telephone foremost; the one that was opened longest ago is put away where there are too many."""
        return replace(self, open_keys=(key, *(other for other in self.open_keys if other != key))[:MOST_OPEN])

    def put_away(self, key: str) -> Table:
        """This telephone closed; the last open one stays."""
        left = tuple(other for other in self.open_keys if other != key)
        return replace(self, open_keys=left or self.open_keys)

    def with_new(self) -> Table:
        """One more telephone, foremost; the same table where it is full."""
        if self.is_full:
            return self
        phone = _new(NAMES[len(self.phones) - len(FIRST)], self.phones)
        return replace(self, phones=(*self.phones, phone)).front(phone.key)


def fresh() -> Table:
    """The table that a newcomer finds: two telephones side by side, a third in reach."""
    phones: tuple[PretendPhone, ...] = ()
    for name in FIRST:
        phones = (*phones, _new(name, phones))
    return Table(phones, tuple(phone.key for phone in phones[:2]), secrets.token_urlsafe(12))


def _new(name: str, others: tuple[PretendPhone, ...]) -> PretendPhone:
    taken = {phone.number for phone in others}
    free = [number for last in range(100, 200) if (number := f"(314) 555-0{last}") not in taken]
    return PretendPhone(secrets.token_urlsafe(9), name, secrets.choice(free))


def dump(table: Table, secret_key: str) -> str:
    """The cookie's value."""
    phones = [[phone.key, phone.name, phone.number] for phone in table.phones]
    return _signer(secret_key).dumps([phones, table.open_keys, table.secret])


def load(value: str, secret_key: str) -> Table | None:
    """The table that `dump` wrote, or None where the value is not ours."""
    try:
        phones, open_keys, secret = _signer(secret_key).loads(value)
    except BadSignature:
        return None
    return Table(tuple(PretendPhone(*phone) for phone in phones), tuple(open_keys), secret)


def _signer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="warmline pretend phones")
