"""A PostgreSQL of its own for tests: Debian's server over a socket in a temporary folder, as a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
USER = "postgres"


def installed() -> Path | None:
    """Where PostgreSQL's programs are, the newest; None where there are none."""
    return PLACES[-1].parent if PLACES else None


@contextmanager
def server() -> Iterator[str]:
    """The SQLAlchemy URL of a fresh server, which listens on no port; skips where PostgreSQL is not installed.

    Where CI runs, its absence is a failure.
    """
    programs = installed()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
        pytest.skip("PostgreSQL is not installed")
    home = Path(mkdtemp(prefix="p2c-pg-"))
    user = USER if os.getuid() == 0 else None
    if user is not None:
        known = pwd.getpwnam(user)
        os.chown(home, known.pw_uid, known.pw_gid)
    data = home / "data"

    def do(program: str, *words: str) -> None:
        command = [str(programs / program), *words]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=home, timeout=120)

    do("initdb", "-D", str(data), "-U", "p2c", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-k {home} -c listen_addresses='' -c max_connections=30 -c shared_buffers=16MB"
    do("pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(home / "log"), "start")
    try:
        yield f"postgresql+psycopg://p2c@/postgres?host={home}"
    finally:
        do("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


def emptied(url: str) -> str:
    """The URL of a server whose database has no tables any more."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url
