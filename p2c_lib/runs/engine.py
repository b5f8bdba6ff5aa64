"""A papermill engine for unattended notebooks, registered with papermill as ``p2c``.

Cells tagged ``interactive`` are skipped, and an error in one tagged ``raises-exception`` is what the cell is for.
``StopRun`` ends a notebook cleanly, and nothing else does before its last cell. Every cell is told and timed, kernels
are spoken to over sockets of the file system and forked warm, and a notebook that failed is kept with its traceback on
top.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import perf_counter
from typing import Any, cast

import nbformat
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillException
from papermill.execute import prepare_notebook_metadata, remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from papermill.translators import PythonTranslator, papermill_translators
from traitlets.config import Config

from p2c_lib.errors import RunError, StopRun
from p2c_lib.run_folder import INTERRUPTED, said_of
from p2c_lib.runs.kernels import WarmKernels

__all__ = ["ENGINE", "Ending", "Job", "WalkEngine", "execute"]

ENGINE = "p2c"
INTERACTIVE = "interactive"
SKIPPED = "skipped"
MARKER, ANCHOR = "papermill-error-cell-tag", "papermill-error-cell"
FOR_A_PERSON = "This cell is for a person at the notebook; unattended it is skipped."
AT_THE_END = "__import__('atexit')._run_exitfuncs()"
LEFT = "what comes after it did not run; raise p2c.StopRun where nothing is left to do"
DIED = "the kernel died; the machine may have run out of memory"
TICKS = re.compile("`+")
COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")
# A kernel that was asked to end gets half of it before SIGTERM and half before SIGKILL.
SHUTDOWN_SECONDS = 4.0

# A socket's path has at most 104 bytes on some systems; ours adds "/p2c-", eight letters and "/k-5".
LONGEST_PLACE = 80

CellEnded = Callable[[int, str, float, str | None], None]


def _nothing(_cell: int, _state: str, _seconds: float, _why: str | None) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Failure:
    """The error that ended a notebook: at which cell, in one line and with its traceback."""

    place: int
    said: str
    traceback: str

    @classmethod
    def of(cls, place: int, error: CellExecutionError) -> Failure:
        """What nbclient raises of an error that the cell's tags do not allow."""
        said = said_of(error.ename, error.evalue)
        if error.ename == "SystemExit":
            said = f"{said.rstrip(': ')}: {LEFT}"
        return cls(place, said, COLOUR_CODES.sub("", str(error.traceback)))


@dataclass
class Job:
    """What the engine needs beyond the notebook: where its kernel comes from, lives and what it is told.

    ``told`` is called for every cell that is started, done, failed or skipped, with its place, state, seconds and why.
    ``stopped`` is why the notebook said it was done, once it did; ``failure`` is the error that ended it.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = field(default_factory=Path.cwd)
    kernels: WarmKernels | None = None
    told: CellEnded = _nothing
    stopped: str | None = None
    failure: Failure | None = None
    kernel: Any = None
    interrupted: bool = False

    def interrupt(self) -> None:
        """Ctrl-C for the kernel: what is in flight ends, then its cell does; no further cell begins."""
        self.interrupted = True
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel, whatever it does."""
        self._signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def _signal(self, number: int) -> None:
        process = getattr(self.kernel, "process", None)
        if process is not None:
            with suppress(OSError):
                process.send_signal(number)


@dataclass(frozen=True)
class Ending:
    """How a notebook ended: done, stopped (it had nothing left to do) or failed, with why."""

    state: str
    why: str = ""


def execute(notebook: Path, output: Path, parameters: Mapping[str, Any], job: Job) -> Ending:
    """Execute one notebook into a file; a failed copy is kept, its traceback in the first cell.

    Raises RunError for a notebook there is not.
    """
    if not notebook.is_file():
        raise RunError(f"There is no notebook {notebook}.", hint="A workspace keeps its notebooks in notebooks/.")
    try:
        made = _executed(notebook, output, parameters, job)
    except (PapermillException, RuntimeError, OSError) as error:
        return Ending("failed", f"the notebook could not be executed: {error}".splitlines()[0])
    finally:
        _close_loop()
    if job.failure is not None:
        _traceback_on_top(made, job.failure)
    _save(made, output)
    if job.failure is not None:
        return Ending("failed", job.failure.said)
    return Ending("done") if job.stopped is None else Ending("stopped", job.stopped)


def _executed(notebook: Path, output: Path, parameters: Mapping[str, Any], job: Job) -> Any:
    """The notebook with its outputs, whatever came of it.

    As papermill does it, but that a folder's name is no format string, and that an error is judged where it happens.
    """
    kernel = {"kernel_name": "python3", "language": "python", "engine_name": ENGINE}
    made = load_notebook_node(str(notebook))
    if parameters:
        made = parameterize_notebook(made, dict(parameters), False, **kernel)  # noqa: FBT003 - as papermill has it
    made = remove_error_markers(prepare_notebook_metadata(made, str(notebook), str(output)))
    return papermill_engines.execute_notebook_with_engine(
        ENGINE,
        made,
        input_path=str(notebook),
        output_path=None,
        kernel_name="python3",
        progress_bar=False,
        log_output=False,
        stdout_file=None,
        stderr_file=None,
        job=job,
    )


def _save(made: Any, output: Path) -> None:
    """Write a notebook beside its place and put it there: no half of one is ever taken for it."""
    partial = output.with_name(f"{output.name}.part")
    nbformat.write(made, partial)
    partial.replace(output)


def _close_loop() -> None:
    """Close the event loop that speaking to the kernel opened in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        ensure_event_loop().close()


class WalkEngine(Engine):  # type: ignore[misc,unused-ignore]
    """Executes a notebook for ``papermill.execute_notebook(..., engine_name="p2c")``."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, job: Job | None = None, start_timeout: float = 60, **_: Any
    ) -> None:
        """Run the cells of a notebook that papermill manages."""
        mine = job or Job()
        with _sockets() as config:
            client = _Client(
                nb_man,
                job=mine,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=None,
                extra_arguments=["--log-level=CRITICAL"],
                config=config,
                resources={"metadata": {"path": str(mine.cwd)}},
                shutdown_kernel="graceful" if mine.kernels is None else "immediate",
            )
            client.execute(env={**os.environ, **mine.env})


class _Exactly(PythonTranslator):  # type: ignore[misc,unused-ignore]
    """Writes parameters into a notebook as they are: tuples, bytes, sets and keys that are no texts among them."""

    @classmethod
    def translate(cls, val: Any) -> Any:
        """A value as Python's text of it."""
        return super().translate(val) if isinstance(val, float) else repr(val)


papermill_engines.register(ENGINE, WalkEngine)
for name in ("python", "python3"):
    papermill_translators.register(name, _Exactly)


@contextmanager
def _sockets() -> Iterator[Config]:
    """A kernel is spoken to over files that only this user can reach, where there are such, instead of ports."""
    places = [place for place in (gettempdir(), "/tmp") if len(place) <= LONGEST_PLACE and Path(place).is_dir()]  # noqa: S108 - the folder in it is made for this user alone
    if os.name != "posix" or not places:
        yield Config()
        return
    with TemporaryDirectory(prefix="p2c-", dir=places[0], ignore_cleanup_errors=True) as folder:
        yield Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/k"}})


class _ForkedKernel(LocalProvisioner):  # type: ignore[misc,unused-ignore]
    """Provides kernels by forking; the rest of their life is that of any local process."""

    warm: WarmKernels

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork instead of starting a new interpreter; ``cmd`` ends with the connection file and further arguments."""
        arguments = cmd[cmd.index("-f") :]
        forked = self.warm.fork(arguments, env=kwargs["env"], cwd=str(kwargs.get("cwd") or Path.cwd()))
        self.process = cast(Any, forked)
        self.pid = self.pgid = forked.pid
        return self.connection_info


class _Client(PapermillNotebookClient):  # type: ignore[misc,unused-ignore]
    """Runs cell after cell and tells of each."""

    def __init__(self, nb_man: Any, *, job: Job, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self.job = job

    def create_kernel_manager(self) -> Any:
        """A manager of one kernel, which is forked where the run forks them."""
        manager = super().create_kernel_manager()
        manager.shutdown_wait_time = SHUTDOWN_SECONDS
        if self.job.kernels is not None:
            manager.kernel_id = str(uuid.uuid4())
            manager.provisioner = _ForkedKernel(
                kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
            )
            manager.provisioner.warm = self.job.kernels
        return manager

    def execute(self, **options: Any) -> Any:
        """Run the notebook in a kernel of its own, and in it what is due at its end."""
        self.reset_execution_trackers()
        with self.setup_kernel(**options):
            self.job.kernel = self.km.provisioner
            with suppress(DeadKernelError):
                self.papermill_execute_cells()
                if self.job.kernels is not None:
                    self.wait_for_reply(self.kc.execute(AT_THE_END, silent=True))
            self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Every code cell in order, until one fails or says that nothing is left to do."""
        for place, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code":
                continue
            if self.job.interrupted:
                raise RuntimeError(INTERRUPTED)
            if self.job.stopped is not None:
                self._skip(place, f"Skipped: {self.job.stopped}")
            elif INTERACTIVE in cell.metadata.get("tags", ()):
                self._skip(place, FOR_A_PERSON)
            elif not self._run(place):
                return

    def _run(self, place: int) -> bool:
        """Run a cell; whether the notebook goes on."""
        cell, started = self.nb.cells[place], perf_counter()
        self.job.told(place, "started", 0.0, None)
        self.nb_man.cell_start(cell, place)
        state, why = "done", None
        try:
            self.execute_cell(cell, place)
        except CellExecutionError as error:
            if error.ename == StopRun.__name__:
                self.job.stopped = why = str(error.evalue) or "nothing to do"
                cell.outputs = [output for output in cell.outputs if output.output_type != "error"] + [_note(why)]
            else:
                self.job.failure = Failure.of(place, error)
                state, why = "failed", self.job.failure.said
                self.nb_man.cell_exception(cell, place, exception=error)
        except DeadKernelError:
            state, why = "failed", f"{DeadKernelError.__name__}: {DIED}"
            self.job.failure = Failure(place, why, DIED)
            cell.outputs.append(nbformat.v4.new_output("error", ename=DeadKernelError.__name__, evalue=DIED))
            self.nb_man.cell_exception(cell, place)
        self.nb_man.cell_complete(cell, place)
        self.job.told(place, state, perf_counter() - started, why)
        return state == "done"

    def _skip(self, place: int, why: str) -> None:
        cell = self.nb.cells[place]
        cell.metadata.papermill["status"] = SKIPPED
        cell.outputs = [_note(why)]
        self.job.told(place, SKIPPED, 0.0, why)


def _note(text: str) -> Any:
    return nbformat.v4.new_output("display_data", {"text/plain": text, "text/markdown": f"*{text}*"})


def _traceback_on_top(made: Any, failure: Failure) -> None:
    """Put what failed, where and the whole traceback before a notebook that failed, and an anchor before the cell."""
    fence = "`" * max(3, 1 + max((len(run) for run in TICKS.findall(failure.traceback)), default=0))
    how = "was interrupted" if failure.said == INTERRUPTED else "failed"
    text = (
        f"## This notebook {how}\n\n**`{failure.said}`** in "
        f"[cell {made.cells[failure.place].execution_count}](#{ANCHOR})\n\n{fence}text\n{failure.traceback}\n{fence}"
    )
    made.cells.insert(failure.place, _marked(f'<span id="{ANCHOR}">**The cell that {how}:**</span>'))
    made.cells.insert(0, _marked(text))


def _marked(text: str) -> Any:
    return nbformat.v4.new_markdown_cell(text, metadata={"tags": [MARKER]})
