"""One apply of a plan at a time: a lease in the ledger, renewed while the apply lives."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from p2c_lib.errors import ConfigError, PlanError

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger

__all__ = ["Lease", "leased"]

SECONDS = 120.0
RENEWED_AFTER = 20.0
ENDED_WITHIN = 5.0


class Lease:
    """The right to apply a plan; ``check`` raises PlanError when another took it over meanwhile."""

    def __init__(self, ledger: Ledger, plan_id: str) -> None:
        self._ledger, self._plan_id = ledger, plan_id
        self._holder = f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())} {secrets.token_hex(4)}"
        self._lost = False
        self._over = threading.Event()

    def take(self) -> None:
        """Raises PlanError while another apply of the plan lives; one whose process has died is no hindrance."""
        other = self._ledger.lease(self._plan_id, self._holder, SECONDS)
        if other is not None and _has_died(other):
            other = self._ledger.lease(self._plan_id, self._holder, SECONDS, instead_of=other)
        if other is not None:
            host, pid = other.split(" ")[:2]
            hint = "Wait until it has ended; if its machine is gone, the plan is free again after two minutes."
            raise PlanError(f"This plan is being applied by process {pid} on {host}.", hint=hint)

    def check(self) -> None:
        """Raises PlanError when the lease is not ours any more."""
        if self._lost:
            raise PlanError("Another apply of this plan took over.", hint="Look at the ledger before going on.")

    def keep_renewing(self) -> None:
        """Renew until it is given back; a ledger that cannot be reached for a while is asked again."""
        while not self._over.wait(RENEWED_AFTER):
            try:
                self._lost = self._lost or self._ledger.lease(self._plan_id, self._holder, SECONDS) is not None
            except ConfigError:
                continue

    def give_back(self) -> None:
        """End the lease."""
        self._over.set()
        self._ledger.give_back(self._plan_id, self._holder)


@contextmanager
def leased(ledger: Ledger, plan_id: str) -> Iterator[Lease]:
    """The lease on a plan for the duration."""
    lease = Lease(ledger, plan_id)
    lease.take()
    renewing = threading.Thread(target=lease.keep_renewing, name="lease", daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        lease.give_back()
        renewing.join(ENDED_WITHIN)


def _has_died(holder: str) -> bool:
    """Whether a holder is a process of this machine that is not there any more."""
    host, pid, started = holder.split(" ")[:3]
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process of this machine started, as the system counts it; ``gone`` when there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].split()[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        return "alive"
    return "alive"
