"""The server under the browser tests: what it leaves open when a browser closes in the middle of an answer."""

from __future__ import annotations

import gc
import socket
import struct
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask

from tests.support.demo import serve

HARD = struct.pack("ii", 1, 0)
"""Resets the connection instead of closing it in order, as a closed browser does."""


def test_it_closes_a_file_whose_browser_has_gone(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_bytes(b"a" * 200_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with serve(Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")) as address:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", urlsplit(address).port or 0)) as browser:
                    browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
                    browser.sendall(b"GET /static/style.css HTTP/1.0\r\n\r\n")
                    assert browser.recv(4) == b"HTTP"
        gc.collect()
    assert [str(each.message) for each in caught] == []
