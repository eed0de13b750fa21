"""Words and numbers are sealed before they are stored, and found again by a blind index.

Sealing is Fernet (AES-CBC with HMAC) from `cryptography`, with several keys: the newest seals, all open, and
`MultiFernet.rotate` moves a row to the newest. The blind index is a keyed hash: equal addresses give equal bytes, and
without the key nobody can try all ten billion telephone numbers. A hash of a number still is personal data (34 USC
12291), so it is deleted with the person.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.domain.message import Address, Channel


class CannotOpen(Exception):
    """A sealed value was not made with any of the given ENCRYPTION_KEYS."""


class Sealer:
    """Seals and opens; made once from the settings and shared by all threads."""

    def __init__(self, keys: tuple[str, ...], secret_key: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._index_key = HKDF(SHA256(), 32, salt=None, info=b"warmline blind index").derive(secret_key.encode())

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """The text; raises CannotOpen, which never carries the value."""
        try:
            return self._fernet.decrypt(sealed.encode("ascii")).decode()
        except InvalidToken:
            raise CannotOpen("a stored value cannot be opened with ENCRYPTION_KEYS") from None

    def reseal(self, sealed: str) -> str:
        """The same value under the newest key."""
        try:
            return self._fernet.rotate(sealed.encode("ascii")).decode("ascii")
        except InvalidToken:
            raise CannotOpen("a stored value cannot be opened with ENCRYPTION_KEYS") from None

    def seal_json(self, value: Any) -> str:
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def open_json(self, sealed: str) -> Any:
        return json.loads(self.open(sealed))

    def index(self, address: Address) -> bytes:
        """Sixteen bytes that are the same for the same address and tell nothing without the key."""
        return hmac.digest(self._index_key, str(address).encode(), "sha256")[:16]

    def seal_address(self, address: Address) -> str:
        return self.seal(str(address))

    def open_address(self, sealed: str) -> Address:
        channel, _, value = self.open(sealed).partition(":")
        return Address(Channel(channel), value)
