"""Ports for Warmline processes started by a test, which must know their port before they can bind it."""

from __future__ import annotations

import os
import random
import socket

_FIRST, _EACH, _MOST_WORKERS = 20_000, 1_000, 12


def free_port() -> int:
    """A port that is free and that nothing else takes before it is used.

    It lies below the range that the system uses for outgoing connections, of which a browser opens thousands, and each
    process of a parallel test run has a thousand ports of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS
    while True:
        port = _FIRST + worker * _EACH + random.SystemRandom().randrange(_EACH)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
