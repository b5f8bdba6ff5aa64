"""The preflight of a run, beside its first notebooks: what is so in both systems is kept for the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from p2c_lib.config import SANDBOX, Workspace
from p2c_lib.errors import P2CError
from p2c_lib.run_folder import PREFLIGHT, keep
from p2c_lib.runs.asked import Asked, folder_of
from p2c_lib.waiting import Stop, halting

__all__ = ["looking"]

# Seconds that a run waits at its end for systems that have not told yet.
PATIENCE = 60.0


@contextmanager
def looking(workspace: Workspace, wanted: Asked, companies: Sequence[str]) -> Iterator[None]:
    """Look meanwhile at what must be so for the tasks of each company; a run goes on whatever is found.

    Looked at once: a run that is taken up again keeps what was found when it began.
    """
    folders = {company: folder_of(workspace, wanted.part(company)) for company in companies}
    new = {company: folder for company, folder in folders.items() if not (folder / PREFLIGHT).is_file()}
    if not (wanted.tasks and new and _is_up(workspace, wanted.connection_set)):
        yield
        return
    for folder in new.values():
        keep(folder, {"why": "The systems had not told when the run ended.", "checks": []}, PREFLIGHT)
    over = Event()
    thread = Thread(target=_look, args=(workspace, wanted, new, over.is_set), name="preflight", daemon=True)
    thread.start()
    try:
        yield
        thread.join(PATIENCE)
    finally:
        over.set()


def _is_up(workspace: Workspace, name: str) -> bool:
    """Whether looking would start nothing: a sandbox that is down is the notebooks' to start."""
    return name != SANDBOX or not workspace.connection_set(name).sales.url.endswith(":0")


def _look(workspace: Workspace, wanted: Asked, folders: dict[str, Path], stop: Stop) -> None:
    from p2c_lib.gates.preflight import preflight
    from p2c_lib.mapping import template_in
    from p2c_lib.session import connect

    for company, folder in folders.items():
        try:
            with halting(stop), connect(wanted.connection_set, company=company, workspace=workspace) as session:
                found = preflight(session, [template_in(task, workspace) for task in wanted.tasks]).to_dict()
        except P2CError as error:
            found = {"why": f"Nobody could look: {error.message}", "checks": []}
        if stop():  # the run has ended without it
            return
        keep(folder, found, PREFLIGHT)
