"""Opens files as text: the encoding is determined before the first row is read."""

from __future__ import annotations

import codecs
import io
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, TextIO, cast
from zipfile import BadZipFile

from bot.domain.directory.hsds.records import ImportRemark, PackageFiles

CHUNK = 1 << 20
_REMEDY = "save it again as UTF-8"

READ_ERRORS = (OSError, EOFError, UnicodeError, zlib.error, BadZipFile)
"""What reading a damaged file or archive may raise."""


class FileUnreadable(Exception):
    """A file that cannot be read to its end. `what` and `remedy` go into the report."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass
class FileOpener:
    """Opens the files of a package as text; determines each file's encoding once, in a separate pass over its bytes."""

    files: PackageFiles
    remarks: list[ImportRemark] = field(default_factory=list)
    """Remarks about files that are read although they are not in the encoding that the specification requires."""
    _encodings: dict[str, str] = field(default_factory=dict)

    def open_text(self, name: str) -> TextIO:
        """The file as text, without a byte order mark, with its line ends unchanged. Raises FileUnreadable."""
        encoding = self._encoding(name)
        return io.TextIOWrapper(self.files.open(name), encoding=encoding, newline="")

    def open_utf8(self, name: str) -> BinaryIO:
        """The file as UTF-8 bytes without a byte order mark. Raises FileUnreadable."""
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
                known = self._detect_encoding(name)
            except READ_ERRORS as fault:
                raise FileUnreadable(f"the file cannot be opened ({type(fault).__name__})", "send it again") from fault
            self._encodings[name] = known
        return known

    def _detect_encoding(self, name: str) -> str:
        with self.files.open(name) as stream:
            head = stream.read(4)
        if head.startswith(codecs.BOM_UTF8):
            self._remark(name, "it begins with a byte order mark", "nothing needs to be done; UTF-8 without one is better")
        elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._remark(name, "it is in UTF-16, not in UTF-8", _REMEDY)
            return self._require_encoding(name, "utf-16")
        if self._decodes_as_utf8(name):
            return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
        self._remark(name, "it is in Windows-1252, not in UTF-8", _REMEDY)
        return self._require_encoding(name, "cp1252")

    def _decodes_as_utf8(self, name: str) -> bool:
        decoder, accented = codecs.getincrementaldecoder("utf-8")(), False
        with self.files.open(name) as stream:
            while chunk := stream.read(CHUNK):
                try:
                    accented = not decoder.decode(chunk).isascii() or accented
                except UnicodeDecodeError as fault:
                    # UTF-8 letters before the fault would all be garbled if the file were read as Windows-1252.
                    if accented or not _ascii_before(fault):
                        raise FileUnreadable("it is in no encoding that is known", _REMEDY) from fault
                    return False
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as fault:
            raise FileUnreadable("it breaks off in the middle of a letter", "send the whole file again") from fault
        return True

    def _require_encoding(self, name: str, encoding: str) -> str:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with self.files.open(name) as stream:
                while chunk := stream.read(CHUNK):
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError as fault:
            raise FileUnreadable("it is in no encoding that is known", _REMEDY) from fault
        return encoding

    def _remark(self, name: str, what: str, remedy: str) -> None:
        self.remarks.append(ImportRemark(name, "", None, what, remedy))


def _ascii_before(fault: UnicodeDecodeError) -> bool:
    return fault.object[: fault.start].isascii()
