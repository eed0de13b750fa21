"""PO files out of a zip that a translator sent back."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO

from bot.domain.flows.language.yaml_source import MAX_BYTES
from bot.domain.flows.wording import translating
from bot.domain.refused import Refused

MAX_FILES = 500
"""In one zip file."""
MAX_ZIP_BYTES = 20_000_000
"""Of all files of a zip together, unpacked: they are held in memory at once."""


@dataclass(frozen=True, slots=True)
class ZippedPo:
    """A PO file from a zip. `flow` and `language` are what the file says it is for, "" if it does not say."""

    file: str
    raw: bytes
    flow: str
    language: str


def read_zip(raw: bytes) -> list[ZippedPo]:
    """The PO files of a zip; ignores other files. Raises Refused if it is not a zip, or too large."""
    try:
        archive = zipfile.ZipFile(BytesIO(raw))
        files = [info for info in archive.infolist() if _is_po(info.filename)]
        # The sizes are the archive's own claim, so never read more than it claims.
        if len(files) > MAX_FILES or any(info.file_size > MAX_BYTES for info in files):
            raise Refused(
                f"The zip holds more than {MAX_FILES} files, or one over {MAX_BYTES:,} bytes. Import them one by one."
            )
        if sum(info.file_size for info in files) > MAX_ZIP_BYTES:
            raise Refused(f"The files of this zip have over {MAX_ZIP_BYTES:,} bytes together. Import it in parts.")
        return [_identify(info.filename, _read_member(archive, info)) for info in files]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise Refused("This is no zip file that can be read. Nothing was taken in.") from error


def _is_po(name: str) -> bool:
    """Excludes the shadow files that macOS puts into archives."""
    return name.endswith(".po") and not name.startswith("__MACOSX") and not name.rpartition("/")[2].startswith(".")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        return file.read(MAX_BYTES + 1)


def _identify(name: str, raw: bytes) -> ZippedPo:
    file = name.rpartition("/")[2]
    flow, language = translating.identify_po(raw.decode("utf-8", "replace"), file)
    return ZippedPo(file, raw, flow, language)
