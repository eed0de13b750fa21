"""A file that is not a directory is refused with a sentence, never with a traceback."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bot.usecases.directory.files import DirectoryFilesError, open_files


@pytest.mark.parametrize("method", [9, 99])
def test_it_refuses_a_zip_that_is_packed_in_a_way_that_cannot_be_undone(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("services.json", "[]")
    raw = bytearray(path.read_bytes())
    raw[8], raw[raw.index(b"PK\x01\x02") + 10] = method, method
    path.write_bytes(raw)
    with pytest.raises(DirectoryFilesError, match="Unpack it and name the folder"):
        open_files(path)
