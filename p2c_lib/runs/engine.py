"""A notebook executed by papermill into the run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from p2c_lib.config import Workspace
from p2c_lib.errors import RunError

__all__ = ["execute"]


def execute(workspace: Workspace, notebook: Path, output: Path, parameters: Mapping[str, Any]) -> str | None:
    """Execute one notebook into the run folder; the reason when it failed, None when it did not.

    The failed copy is kept, with its traceback.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    if not notebook.is_file():
        raise RunError(f"There is no notebook {notebook}.", hint="A workspace keeps its notebooks in notebooks/.")
    try:
        with _environment(P2C_WORKSPACE=str(workspace.root), GX_ANALYTICS_ENABLED="false"):
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                progress_bar=False,
                cwd=str(workspace.root),
                request_save_on_cell_execute=False,
                config=_quiet_local_kernels(),
                extra_arguments=["--log-level=CRITICAL"],
            )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".splitlines()[0]
    return None


def _quiet_local_kernels() -> Any:
    """Kernels are spoken to over sockets of the file system where there are such: nothing listens on a port."""
    from traitlets.config import Config

    return Config({"KernelManager": {"transport": "ipc"}} if os.name == "posix" else {})


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
