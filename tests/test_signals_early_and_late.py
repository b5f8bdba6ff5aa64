"""A signal ends a command in words from its first moment to its last; output that goes nowhere is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
CODES = {INT: 130, TERM: 143, HUP: 143}

# Sends itself a signal while a module is looked for, as one may come at any moment of the second that imports take.
WHILE_IMPORTING = """
import os, sys
from importlib.abc import MetaPathFinder
class Sending(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), number)
module, number = sys.argv[1], int(sys.argv[2])
sys.argv[1:] = ["--version"]
sys.meta_path.insert(0, Sending())
from p2c_lib.cli import main
main()
"""
# A text that is executed, as the making of a dataclass does: Python notes a plain KeyboardInterrupt that leaves one.
IN_A_TEXT = """
import os, sys
from p2c_lib import ending
number = int(sys.argv[1])
with ending.on_signals():
    try:
        exec("import os, time\\nos.kill(os.getpid(), number)\\nwhile True: time.sleep(0.01)")
    except KeyboardInterrupt:
        sys.exit(ending.exit_code())
"""
TWICE = """
import os, sys, time
from p2c_lib import ending
number = int(sys.argv[1])
with ending.on_signals():
    try:
        os.kill(os.getpid(), number)
        time.sleep(60)
    except KeyboardInterrupt:
        os.kill(os.getpid(), number)
        time.sleep(60)
"""
# What is left to the interpreter's own end, after a command has done what it was to do.
AT_THE_END = """
import os, sys
from p2c_lib.cli import main
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=int(sys.argv.pop())):
        kill(pid, number)
late = Late()
late.itself = late
main()
"""


def ended(program: str, *words: str) -> tuple[int, str]:
    """The exit code of a program of Python, and what it said on stderr."""
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=90)
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("module", ["p2c_lib.cli.root", "p2c_lib.secrecy"])
def test_while_a_command_is_imported(module: str, number: signal.Signals, tmp_path: Path) -> None:
    assert ended(WHILE_IMPORTING, module, str(int(number))) == (CODES[number], "interrupted\n")


@pytest.mark.parametrize("number", CODES)
def test_the_exit_code_is_that_of_the_signal_wherever_it_came(number: signal.Signals) -> None:
    assert ended(IN_A_TEXT, str(int(number))) == (CODES[number], "")


@pytest.mark.parametrize("number", CODES)
def test_a_second_one_ends_at_once_and_raises_nothing(number: signal.Signals) -> None:
    assert ended(TWICE, str(int(number))) == (CODES[number], "ended at once\n")


@pytest.mark.parametrize("number", CODES)
def test_at_the_very_end_a_command_ends_as_it_would(number: signal.Signals) -> None:
    assert ended(AT_THE_END, "--version", str(int(number))) == (0, "")


def test_a_closed_terminal_ends_nothing_that_was_told_so() -> None:
    program = WHILE_IMPORTING.replace(
        "from p2c_lib.cli", "import signal\nsignal.signal(1, signal.SIG_IGN)\nfrom p2c_lib.cli"
    )
    code, said = ended(program, "typer", "1")
    assert (code, "interrupted" in said) == (0, False)


COMMANDS = ["template show accounts", "--help", "history --json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("words", COMMANDS)
def test_output_that_cannot_be_written_is_told(words: str) -> None:
    command = [sys.executable, "-m", "p2c_lib.cli", *words.split()]
    with open("/dev/full", "w") as full:
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=90)
        both = subprocess.run(command, stdout=full, stderr=full, timeout=90)
        quiet = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, timeout=90)
    assert told.returncode == 2
    assert told.stderr.splitlines() == [
        "error: What was to be printed cannot be written: No space left on device.",
        "hint: Is the disk full that the output goes to?",
    ]
    assert (both.returncode, quiet.returncode) == (2, 0)
