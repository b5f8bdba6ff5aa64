"""The running sandbox: both systems on two loopback ports in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from p2c_lib.errors import SandboxError
from p2c_lib.sandbox.certificate import certificate
from p2c_lib.sandbox.choices import FILE, read_choices
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.faults import profile
from p2c_lib.sandbox.process import RECORD, Running, locked
from p2c_lib.sandbox.state import open_store, status
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app, spoilt

SALES_PORT, FINOPS_PORT = 8710, 8711
PORTS = "ports.json"


def serve(
    home: Path,
    *,
    sales_port: int | None = None,
    finops_port: int | None = None,
    state: Path | None = None,
    token: str | None = None,
    tls: bool = False,
    limits: bool = True,
    faults: str | Path = "none",
    admin: bool = False,
    attached: bool = False,
) -> None:
    """Serve both systems until SIGINT or SIGTERM, or until stdin closes when ``attached``.

    An empty state is seeded with the default company first. A port that is not given, or 0, is the one this home had
    last, since plans name the address they were made for; the first time 8710 and 8711, or with 0 any free ones.
    ``tls`` serves https with a certificate of the sandbox's own making; ``limits`` off lifts the Sales side's service
    protection. ``faults`` is a fault profile by name or file, which ``admin`` lets a client change while the sandbox
    runs. The switches of both systems come from ``state/switches.json``. While it answers, ``home/server.json`` tells
    where; `SandboxError` when a port or the state is in use.
    """
    state = state or home
    trouble = profile(faults)
    choices = read_choices(state / FILE)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(state), contextlib.ExitStack() as stack:
        asked = {"Sales": (sales_port, SALES_PORT), "F&O": (finops_port, FINOPS_PORT)}
        sockets = _listening(stack, home / PORTS, asked)
        _seed_when_empty(state)
        store = stack.enter_context(open_store(state))
        tokens = Tokens(token or secrets.token_urlsafe(24))
        chain, key = certificate(home) if tls else (None, None)
        urls = [f"http{'s' if tls else ''}://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        running = Running(urls[0], urls[1], tokens.secret, os.getpid(), state, chain)
        organisation = Organisation(store, replace(choices.sales, protection=choices.sales.protection and limits))
        apps = [
            spoilt(sales_app(organisation, tokens), "sales", trouble, tokens, admin=admin),
            spoilt(finops_app(store, tokens, choices.finops), "finops", trouble, tokens, admin=admin),
        ]
        servers = [_Server(_config(app, chain, key)) for app in apps]
        record = home / RECORD
        stack.callback(record.unlink, missing_ok=True)
        asyncio.run(_run(servers, sockets, running, record, attached=attached))


def _seed_when_empty(state: Path) -> None:
    known = status(state)
    if known.sales or known.finops:
        return
    from p2c_lib.sandbox.seed import plant_company

    plant_company(state)


def _config(app: ASGIApp, chain: Path | None, key: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        ssl_certfile=chain,
        ssl_keyfile=key,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it shares with another."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(
    stack: contextlib.ExitStack, kept: Path, asked: Mapping[str, tuple[int | None, int]]
) -> list[socket.socket]:
    """A socket for each system, by the port asked for, the one of last time, or the usual one; kept for the next."""
    last: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        last = json.loads(kept.read_text("utf-8"))
    sockets = []
    for system, (port, usual) in asked.items():
        if not port and system in last:
            with contextlib.suppress(SandboxError):
                sockets.append(stack.enter_context(_bound(last[system], system)))
                continue
        sockets.append(stack.enter_context(_bound(usual if port is None else port, system)))
    ports = {system: one.getsockname()[1] for system, one in zip(asked, sockets, strict=True)}
    kept.write_text(json.dumps(ports), encoding="utf-8")
    return sockets


@contextlib.contextmanager
def _bound(port: int, system: str) -> Iterator[socket.socket]:
    # With the protocol named asyncio switches Nagle's algorithm off; else every small answer waits 40 ms.
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise SandboxError(
                f"Port {port} for {system} cannot be used on 127.0.0.1: {error}.",
                hint="Stop what listens there, or choose another port (0 takes any free one).",
            ) from error
        yield one
    finally:
        one.close()


async def _run(
    servers: list[_Server], sockets: list[socket.socket], running: Running, record: Path, *, attached: bool
) -> None:
    stopping = asyncio.Event()
    _stop_on_signals(asyncio.get_running_loop(), stopping)
    if attached:
        _stop_at_end_of_input(asyncio.get_running_loop(), stopping)
    tasks = [asyncio.create_task(one.serve([sock])) for one, sock in zip(servers, sockets, strict=True)]
    while not all(one.started for one in servers):
        if any(task.done() for task in tasks):
            break
        await asyncio.sleep(0.01)
    else:
        _announce(running, record)
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    for one in servers:
        one.should_exit = True
    await asyncio.gather(*tasks)


def _announce(running: Running, record: Path) -> None:
    facts = {"sales_url": running.sales_url, "finops_url": running.finops_url, "token": running.token}
    secure = {"certificate": str(running.certificate)} if running.certificate else {}
    partial = record.with_suffix(".partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**facts, "pid": running.pid, "state": str(running.state), **secure}, file)
    partial.replace(record)
    text = f"Sandbox (not a real system) ready: Sales {running.sales_url} F&O {running.finops_url}"
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)

    closed = getattr(signal, "SIGHUP", signal.SIGTERM)  # a terminal that is closed
    for number in (signal.SIGINT, signal.SIGTERM, closed):
        if number != closed or signal.getsignal(number) != signal.SIG_IGN:  # which nohup has it ignore
            signal.signal(number, stop)


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    def watch() -> None:
        # Not through sys.stdin: its lock would hold up the interpreter's end.
        while os.read(0, 1024):
            continue
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=watch, name="end-of-input", daemon=True).start()
