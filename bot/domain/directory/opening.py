"""Bytes into text: which encoding a file is in, found before a single row is taken."""

from __future__ import annotations

import codecs
import io
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, TextIO, cast
from zipfile import BadZipFile

from bot.domain.directory.records import Files, Remark

CHUNK = 1 << 20
_REMEDY = "save it again as UTF-8"

FAULTS = (OSError, EOFError, UnicodeError, zlib.error, BadZipFile)
"""What reading a broken file or a broken archive may raise."""


class Unreadable(Exception):
    """A file that cannot be read to its end. `what` and `remedy` are told to the keeper of the directory."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass
class Opener:
    """Opens the files of a package as text; finds each one's encoding once, in a pass of its own over the bytes."""

    files: Files
    remarks: list[Remark] = field(default_factory=list)
    """Told of files that were taken although their encoding is not the one that the specification wants."""
    _encodings: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> TextIO:
        """The file as text, without a byte order mark, line ends as they are. Raises Unreadable."""
        encoding = self._encoding(name)
        return io.TextIOWrapper(self.files.open(name), encoding=encoding, newline="")

    def utf8(self, name: str) -> BinaryIO:
        """The file as UTF-8 bytes without a byte order mark. Raises Unreadable."""
        encoding = self._encoding(name)
        stream = self.files.open(name)
        if encoding == "utf-8":
            return stream
        if encoding == "utf-8-sig":
            stream.read(len(codecs.BOM_UTF8))
            return stream
        return cast(BinaryIO, codecs.EncodedFile(cast("codecs._Stream", stream), "utf-8", encoding))

    def _encoding(self, name: str) -> str:
        if (known := self._encodings.get(name)) is None:
            try:
                known = self._find(name)
            except FAULTS as fault:
                raise Unreadable(f"the file cannot be opened ({type(fault).__name__})", "send it again") from fault
            self._encodings[name] = known
        return known

    def _find(self, name: str) -> str:
        with self.files.open(name) as stream:
            head = stream.read(4)
        if head.startswith(codecs.BOM_UTF8):
            self._remark(name, "it begins with a byte order mark", "nothing needs to be done; UTF-8 without one is better")
        elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._remark(name, "it is in UTF-16, not in UTF-8", _REMEDY)
            return self._must(name, "utf-16")
        if self._decodes_as_utf8(name):
            return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
        self._remark(name, "it is in Windows-1252, not in UTF-8", _REMEDY)
        return self._must(name, "cp1252")

    def _decodes_as_utf8(self, name: str) -> bool:
        decoder, accented = codecs.getincrementaldecoder("utf-8")(), False
        with self.files.open(name) as stream:
            while chunk := stream.read(CHUNK):
                try:
                    accented = not decoder.decode(chunk).isascii() or accented
                except UnicodeDecodeError as fault:
                    # Letters of UTF-8 before the fault: read as Windows-1252 they would all come out wrong.
                    if accented or not _ascii_before(fault):
                        raise Unreadable("it is in no encoding that is known", _REMEDY) from fault
                    return False
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as fault:
            raise Unreadable("it breaks off in the middle of a letter", "send the whole file again") from fault
        return True

    def _must(self, name: str, encoding: str) -> str:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with self.files.open(name) as stream:
                while chunk := stream.read(CHUNK):
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError as fault:
            raise Unreadable("it is in no encoding that is known", _REMEDY) from fault
        return encoding

    def _remark(self, name: str, what: str, remedy: str) -> None:
        self.remarks.append(Remark(name, "", None, what, remedy))


def _ascii_before(fault: UnicodeDecodeError) -> bool:
    return fault.object[: fault.start].isascii()
