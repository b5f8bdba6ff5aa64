"""All words of ``p2c``, and the errors of every command as exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

from p2c_lib import __version__, ending, waiting
from p2c_lib.cli.connect import connect
from p2c_lib.cli.gate import gate, preflight, quarantine
from p2c_lib.cli.history import history
from p2c_lib.cli.init import init
from p2c_lib.cli.notify import notify
from p2c_lib.cli.plan import apply, approve, ledger, plan, undo, why
from p2c_lib.cli.reconcile import duplicates, reconcile
from p2c_lib.cli.run import params, run
from p2c_lib.cli.sandbox import sandbox
from p2c_lib.cli.schedule import schedule
from p2c_lib.cli.settle import settle
from p2c_lib.cli.show import sandbox_when_named, say, tell, waits_said
from p2c_lib.cli.template import template
from p2c_lib.config import SANDBOX, WEAK_REMEDY, know_secrets, weak_said, workspace
from p2c_lib.errors import P2CError
from p2c_lib.events import listening
from p2c_lib.private import umask_for
from p2c_lib.secrecy import look_through, mask_streams

if TYPE_CHECKING:
    import subprocess

__all__ = ["app", "main"]

# JupyterLab by itself asks its makers for news and newer versions; the workbench speaks to the two systems alone.
QUIET_LAB = ("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")

# What a person can do about a place that cannot be written.
TAKEN = "Something of that name stands there already, or in its way: move it, or take another folder."
OPEN_IT = "Give yourself the right to write there, or work in a folder where you have it."
CLOSED = {
    errno.ENOSPC: "Is the disk full that the output goes to?",
    errno.EDQUOT: "Your share of this disk is used up: make room, or ask for more.",
    errno.EACCES: OPEN_IT,
    errno.EPERM: OPEN_IT,
    errno.EROFS: "This disk takes no writes: work in a folder on another one.",
    errno.ENOTDIR: TAKEN,
    errno.EEXIST: TAKEN,
    errno.EISDIR: TAKEN,
    errno.ENAMETOOLONG: "The path is longer than this system takes: work in a folder with a shorter one.",
    errno.ENOENT: "Is the folder there, and the name spelt right?",
}
# Files that people share are made as they are used to; what is kept of customers is its owner's alone.
SHARED = {"init", "lab"}

app = typer.Typer(
    name="p2c",
    help="Bring Dynamics 365 Sales and Finance and Operations into agreement, from prospect to cash.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The console script."""
    mask_streams()
    with ending.on_signals(), listening(waits_said):
        try:
            _keep_to_the_owner()
            if weak := know_secrets():
                say(f"note: {weak_said(weak)}. {WEAK_REMEDY}")
            _carry_out()
        except SystemExit as left:
            _end_if_asked(left.code)
            _end_if_unprinted()
            raise
        except P2CError as error:
            _end_if_asked(2)
            say(f"error: {error.message}")
            if error.hint:
                say(f"hint: {error.hint}")
            sys.exit(2)
        except OSError as error:
            _end_if_asked(2)
            _end_if_unprinted()
            if error.errno not in CLOSED:
                _unforeseen()
            _cannot_write(error)
        except Exception:
            _end_if_asked(2)
            _end_if_unprinted()
            _unforeseen()
        except BaseException:
            _end_if_asked(2)
            _end_if_unprinted()
            raise
        finally:
            _let_go()


def _keep_to_the_owner() -> None:
    """What this process and those it starts write from now on."""
    if SHARED.isdisjoint(sys.argv[1:2]):
        with suppress(P2CError):
            os.umask(umask_for(workspace().state))


def _carry_out() -> None:
    """The command, and the search for whole secrets in what it left, however it ends; with one it did not go well."""
    try:
        app()
    except SystemExit as left:
        if _has_left_secrets() and left.code in {0, None}:
            sys.exit(1)
        raise
    except BaseException:
        _has_left_secrets()
        raise


def _has_left_secrets() -> bool:
    """Whether a secret stood in the files that the command left; it is taken out, and that is said."""
    found = tuple(look_through())
    for place, each in found:
        from p2c_lib.runs.scrub import words_of

        say(f"error: in {place}, {words_of(each)}.")
    return bool(found)


def _end_if_asked(code: object) -> None:
    """Where a signal ended what was done, whatever it raised on its way: say so, and leave with the signal's code.

    A server that was asked to stop and did has done what it was to do: it leaves with 0.
    """
    if ending.asked() and code not in {0, None}:
        waiting.end_every_wait()
        say("interrupted")
        sys.exit(ending.exit_code())


def _end_if_unprinted() -> None:
    """Where stdout does not take what was printed, say so and leave with 2: whoever reads it has not all of it."""
    if (error := _unwritten(sys.stdout)) is not None and error.errno != errno.EPIPE:
        _cannot_write(error)


def _cannot_write(error: OSError) -> NoReturn:
    what = str(error.filename or "What was to be printed")
    done = "read" if error.errno == errno.ENOENT else "written"
    say(f"error: {what} cannot be {done}: {error.strerror or error}.")
    say(f"hint: {CLOSED.get(error.errno or 0, CLOSED[errno.ENOSPC])}")
    sys.exit(2)


def _unforeseen() -> NoReturn:
    """An error that nobody foresaw, with all that may help to find it; 1 would say that there are differences."""
    sys.excepthook(*sys.exc_info())
    sys.exit(2)


def _let_go() -> None:
    """What a stream does not take is lost: Python would try once more at its end, and leave with a code of its own."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        if _unwritten(stream) is not None:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _unwritten(stream: TextIO | None) -> OSError | None:
    """Why a stream does not take what was written to it; None where it does."""
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except OSError as error:
        return error
    lost: OSError | None = getattr(stream, "lost", None)
    return lost


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False
) -> None:
    if version:
        tell(f"p2c {__version__}")
        raise typer.Exit


@app.command(rich_help_panel="Begin", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the workspace's notebooks, with the sandbox up; further words go to JupyterLab."""
    import subprocess

    here = workspace()
    with sandbox_when_named(here, SANDBOX):
        say("The sandbox is up; JupyterLab opens. Stop both with Ctrl-C.")
        command = [sys.executable, "-m", "jupyterlab", *QUIET_LAB, "--notebook-dir", str(here.notebooks), *context.args]
        child = subprocess.Popen(command)  # noqa: S603 - our own interpreter, no shell
        with ending.beside(child):
            raise typer.Exit(_until_its_end(child))


def _until_its_end(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a child; an interrupt ends it too, by force where it takes its time."""
    import subprocess

    try:
        return child.wait()
    except BaseException:
        child.terminate()
        try:
            child.wait(ending.GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
        raise


WORDS: Mapping[str, Mapping[str, typer.Typer | Callable[..., None]]] = {
    "Begin": {"init": init, "connect": connect, "sandbox": sandbox},
    "The walk": {
        "preflight": preflight,
        "run": run,
        "reconcile": reconcile,
        "plan": plan,
        "approve": approve,
        "apply": apply,
        "undo": undo,
        "why": why,
    },
    "Rules and rows": {
        "template": template,
        "settle": settle,
        "gate": gate,
        "quarantine": quarantine,
        "duplicates": duplicates,
    },
    "Night after night": {
        "params": params,
        "schedule": schedule,
        "notify": notify,
        "history": history,
        "ledger": ledger,
    },
}
for panel, words in WORDS.items():
    for word, verb in words.items():
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=word, rich_help_panel=panel)
        else:
            app.command(word, rich_help_panel=panel)(verb)
