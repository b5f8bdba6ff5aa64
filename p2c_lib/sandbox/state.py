"""The folder that holds a sandbox: the database and, beside it, what was planted in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from p2c_lib.sandbox.process import locked
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store, table
from p2c_lib.sandbox.upgrade import StateOutdated

__all__ = ["Status", "open_store", "reset", "status"]

DATABASE = "sandbox.db"
TRUTH = "truth.json"


@dataclass(frozen=True)
class Status:
    """What a state folder holds: rows by entity set of each system, bytes, and whether a truth file is there."""

    state: Path
    sales: dict[str, int]
    finops: dict[str, int]
    bytes: int
    truth: bool

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {**asdict(self), "state": str(self.state)}


@contextmanager
def open_store(state: Path) -> Iterator[Store]:
    """The store of a state folder, which is made when it is not there."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(state / DATABASE, [*entities("sales").values(), *entities("finops").values()])
    try:
        yield store
    finally:
        store.close()


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the state folder, which is made when it is not there; SandboxError while a sandbox serves it."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(state):
        yield


def wipe(store: Store) -> None:
    """Delete every row of both systems; inside ``store.write`` only."""
    for entity in store.entities:
        store.connection.execute(f"DELETE FROM {table(entity)}")  # noqa: S608 - names of the schema
    store.connection.execute("DELETE FROM deletions")
    store.connection.execute("DELETE FROM counters WHERE name NOT IN ('version', 'collation')")


def reset(state: Path) -> None:
    """Empty the sandbox: no rows, no truth; the folder and the tables stay. SandboxError while it is served."""
    with alone(state):
        try:
            _empty(state)
        except StateOutdated:
            for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
                (state / name).unlink(missing_ok=True)
            _empty(state)
    (state / TRUTH).unlink(missing_ok=True)


def _empty(state: Path) -> None:
    with open_store(state) as store:
        with store.write():
            wipe(store)
        # Give the room back: an emptied file keeps its size otherwise.
        store.connection.execute("VACUUM")


def status(state: Path) -> Status:
    """What is in the state folder; all counts are zero when nothing is."""
    path = state / DATABASE
    if not path.exists():
        return Status(state, {}, {}, 0, truth=False)
    with open_store(state) as store:
        counts = {(one.system, one.set_name): store.count(one) for one in store.entities}
    return Status(
        state,
        {name: count for (system, name), count in counts.items() if system == "sales" and count},
        {name: count for (system, name), count in counts.items() if system == "finops" and count},
        path.stat().st_size,
        truth=(state / TRUTH).exists(),
    )
