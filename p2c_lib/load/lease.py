"""One at a time: a lease in the ledger on a plan, a run or what is written, renewed while its holder lives.

Several machines with one ledger see each other's leases. A process that was started by a holder, such as the kernel of
a run, works under the holder's lease: the environment names it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2c_lib.errors import ConfigError, P2CError, PlanError
from p2c_lib.ledger.holders import has_died, named, new_holder
from p2c_lib.waiting import WALL, never

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger

__all__ = ["HOLDER", "Lease", "Tell", "being_applied", "leased"]

HOLDER = "P2C_HOLDER"
SECONDS = 120.0
RENEWED_AFTER = 20.0
ENDED_WITHIN = 5.0
LOOKED_AFTER = 1.0

Busy = Callable[[str, str], P2CError]
Tell = Callable[[str], None]


def being_applied(_name: str, holder: str) -> P2CError:
    """The error where another has the lease on a plan."""
    hint = "Wait until it has ended; if its machine is gone, the plan is free again after two minutes."
    return PlanError(f"This plan is being applied by {named(holder)}.", hint=hint)


class Lease:
    """The right to several things at once; ``check`` raises PlanError when another took one of them over meanwhile."""

    def __init__(self, ledger: Ledger, names: Sequence[str]) -> None:
        self._ledger, self._names = ledger, tuple(sorted(set(names)))
        self.holder = new_holder()
        self._above = os.environ.get(HOLDER, "")
        self._lent: set[str] = set()  # names that are held by who started this process
        self._held: set[str] = set()
        self.waited = False  # for another who had some of it
        self._lost = False
        self._over = threading.Event()

    def take(self) -> tuple[str, str] | None:
        """Take all of it, in one order for everybody; the first name that another has, and who, where one has.

        A process that has died is no hindrance. What was taken before that stays taken, and is renewed.
        """
        for name in self._names:
            if name in self._held | self._lent:
                continue
            other = self._ledger.lease(name, self.holder, SECONDS)
            if other is not None and other == self._above:
                self._lent.add(name)
                continue
            if other is not None and has_died(other):
                other = self._ledger.lease(name, self.holder, SECONDS, instead_of=other)
            if other is not None:
                return name, other
            self._held.add(name)
        return None

    def check(self) -> None:
        """Raises PlanError when it is not ours any more."""
        lost = any(self._ledger.holder_of(name) != self._above for name in self._lent)
        if self._lost or lost:
            raise PlanError("Another apply of this plan took over.", hint="Look at the ledger before going on.")

    def keep_renewing(self) -> None:
        """Renew until it is given back; a ledger that cannot be reached for a while is asked again."""
        while not self._over.wait(RENEWED_AFTER):
            try:
                for name in tuple(self._held):
                    self._lost = self._ledger.lease(name, self.holder, SECONDS) is not None or self._lost
            except ConfigError:
                continue

    def give_back(self) -> None:
        """End the lease."""
        self._over.set()
        for name in self._held:
            self._ledger.give_back(name, self.holder)


@contextmanager
def leased(
    ledger: Ledger,
    *names: str,
    busy: Busy = being_applied,
    wait: float | None = 0.0,
    tell: Tell = lambda _line: None,
) -> Iterator[Lease]:
    """The lease on what is named, for the duration.

    While another has some of it, it is waited for so many seconds, for ever with None; ``tell`` gets one line, and what
    ``busy`` makes of its name and its holder is raised when the seconds are over.
    """
    lease = Lease(ledger, names)
    renewing = threading.Thread(target=lease.keep_renewing, name="lease", daemon=True)
    try:
        renewing.start()
        _await(lease, busy, wait, tell)
        yield lease
    finally:
        lease.give_back()
        renewing.join(ENDED_WITHIN)


def _await(lease: Lease, busy: Busy, wait: float | None, tell: Tell) -> None:
    until = None if wait is None else WALL.now() + wait
    while (other := lease.take()) is not None:
        error = busy(*other)
        if until is not None and WALL.now() >= until:
            raise error
        if not lease.waited:
            lease.waited = True
            tell(f"waiting: {error.message}")
        WALL.rest(LOOKED_AFTER if until is None else min(LOOKED_AFTER, until - WALL.now()), never)
