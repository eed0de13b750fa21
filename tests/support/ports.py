"""Ports for houses that are started as programs, and so are told theirs before they can take it."""

from __future__ import annotations

import os
import random
import socket

_FIRST, _EACH, _MOST_WORKERS = 20_000, 1_000, 12


def free_port() -> int:
    """A port that nothing listens on and that nothing will take meanwhile.

    It lies below those that the system gives to outgoing connections, of which a browser beside us opens thousands, and
    each process of a test run has a thousand of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS
    while True:
        port = _FIRST + worker * _EACH + random.SystemRandom().randrange(_EACH)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
