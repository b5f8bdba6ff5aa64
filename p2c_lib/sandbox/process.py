"""A sandbox as a process of its own: find one that runs, start one, stop it. Light: standard library only."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from p2c_lib.errors import SandboxError

RECORD = "server.json"
# Answered by both systems whatever their fault profile and limits, so that a live sandbox is never taken for absent.
ALIVE_PATH = "/sandbox/alive"
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that answers: its two URLs (no slash at the end), its token, its process and its state directory.

    ``certificate`` is what a client must trust when the URLs are https.
    """

    sales_url: str
    finops_url: str
    token: str = field(repr=False)
    pid: int
    state: Path
    certificate: Path | None = None


def find(home: Path) -> Running | None:
    """The sandbox that runs for a home directory, or None; a record without a server behind it counts as none."""
    try:
        facts = json.loads((home / RECORD).read_text("utf-8"))
        state = Path(facts["state"])
        trusted = Path(facts["certificate"]) if facts.get("certificate") else None
        found = Running(facts["sales_url"], facts["finops_url"], facts["token"], int(facts["pid"]), state, trusted)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _answers(found, found.sales_url) and _answers(found, found.finops_url) else None


def start(
    home: Path,
    *,
    sales_port: int = 0,
    finops_port: int = 0,
    state: Path | None = None,
    token: str | None = None,
    tls: bool = False,
    limits: bool = True,
    faults: str | Path = "none",
    admin: bool = False,
) -> Running:
    """Start a sandbox for a home directory and wait until it answers; it ends with this process at the latest.

    `SandboxError` when it cannot start: a port in use, or the state in use by another sandbox.
    """
    command = [sys.executable, "-m", "p2c_lib.sandbox", "serve", "--attached", "--home", str(home)]
    command += ["--sales-port", str(sales_port), "--finops-port", str(finops_port)]
    command += ["--state", str(state)] if state else []
    command += ["--tls"] if tls else []
    command += [] if limits else ["--no-limits"]
    command += ["--faults", str(faults), *(["--admin"] if admin else [])]
    environment = _environment(token)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = home / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=environment
        )
    _CHILDREN[process.pid] = process
    return _awaited(process, home, log)


def _environment(token: str | None) -> dict[str, str]:
    # The child finds this very package, however this process found it.
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    secret = {"P2C_SANDBOX_TOKEN": token} if token else {}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **secret}


# Kept so that their input stays open: its end tells them to stop.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def _awaited(process: subprocess.Popen[bytes], home: Path, log: Path) -> Running:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            _forget(process.pid)
            said = log.read_text("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"it ended with status {process.returncode}"
            raise SandboxError(f"The sandbox did not start: {reason}", hint=f"Its messages are in {log}.")
        found = find(home)
        if found is not None and found.pid == process.pid:
            return found
        time.sleep(0.03)
    process.kill()
    process.wait()
    _forget(process.pid)
    raise SandboxError(f"The sandbox did not answer within {_PATIENCE:.0f} s.", hint=f"Its messages are in {log}.")


def stop(running: Running) -> None:
    """Stop a sandbox and wait until it has ended; one that has ended already is no error."""
    process = _CHILDREN.get(running.pid)
    if process is not None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _forget(running.pid)
        return
    if not _answers(running, running.sales_url):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    until = time.monotonic() + 15
    while _answers(running, running.sales_url):
        if time.monotonic() > until:
            raise SandboxError(f"The sandbox (process {running.pid}) did not stop.", hint="End the process by hand.")
        time.sleep(0.05)


def _forget(pid: int) -> None:
    process = _CHILDREN.pop(pid, None)
    if process is not None and process.stdin is not None:
        process.stdin.close()


def _answers(running: Running, url: str) -> bool:
    parts = urlsplit(url)
    connection = _connection(parts.hostname or "127.0.0.1", parts.port, running.certificate)
    headers = {"Authorization": f"Bearer {running.token}"}
    try:
        connection.request("GET", ALIVE_PATH, headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(host: str, port: int | None, certificate: Path | None) -> http.client.HTTPConnection:
    if certificate is None:
        return http.client.HTTPConnection(host, port, timeout=10)
    import ssl

    trust = ssl.create_default_context(cafile=certificate)
    return http.client.HTTPSConnection(host, port, timeout=10, context=trust)


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold a state directory for one process; `SandboxError` when another has it."""
    with (state / "sandbox.lock").open("a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SandboxError(
                f"The sandbox state in {state} is in use by another process.",
                hint="Stop that sandbox (p2c sandbox status tells where it runs), or give another --state.",
            ) from error
        yield
