"""The pages of the docs as programs: their blocks, run in order in a workspace of the page's own.

A ``console`` block holds commands (``$ p2c ...``), a ``python`` block a program; a ``text`` block after either shows
what came: each of its lines must come, in that order, ``...`` standing for anything. A block with a title is a file of
the workspace, a ``diff`` with one changes it. Comments before a block, which no reader sees:

    <!-- not run: why -->             the block cannot run here
    <!-- exit: 1 -->                  its last command ends with 1
    <!-- begins where: tutorial.md ends -->   (at the top) the page goes on in the workspace of another
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
FENCE = re.compile(r"^(```+)(\w*)(?: title=\"([^\"]+)\")?\s*$")
COMMENT = re.compile(r"^<!-- (not run|exit): (.+?) -->$")
BEGINS = re.compile(r"^<!-- begins where: (\S+) ends -->$", re.M)
# What is another every time: seconds, moments, runs, hashes, ports.
CHANGING = (
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:\+00:00|Z)?"), "MOMENT"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\b\d+\.\d+\b"), "NUMBER"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its lines, the file it is, and what the comment before it says."""

    line: int
    language: str
    text: str
    title: str = ""
    says: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, without the remarks after them."""
        found = [line[2:] for line in self.text.splitlines() if line.startswith(("$ ", "> "))]
        return [re.split(r"\s{2,}#", command)[0].strip() for command in found]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    says: dict[str, str] = {}
    fence, start, body, language, title = "", 0, [], "", ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if fence and line.strip() == fence:
            found.append(Block(start, language, "\n".join(body) + "\n", title, says))
            fence, body, says = "", [], {}
        elif fence:
            body.append(line)
        elif match:
            fence, language, title, start = match[1], match[2], match[3] or "", number
        elif comment := COMMENT.match(line):
            says = {comment[1]: comment[2]}
        elif line.strip():
            says = {}
    return found


def begins_where(page: Path) -> Path | None:
    """The page in whose workspace this one goes on."""
    match = BEGINS.search(page.read_text("utf-8"))
    return (DOCS / match[1]) if match else None


def loosened(line: str) -> str:
    """A line of output without what is another every time."""
    for pattern, name in CHANGING:
        line = pattern.sub(name, line)
    return line.strip()


def comes_in_order(shown: str, came: str) -> str | None:
    """The first shown line that did not come after the one before it; None when all did."""
    rest = [loosened(line) for line in came.splitlines()]
    for line in shown.splitlines():
        wanted = loosened(line)
        if wanted == "..." or not wanted:
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("...")))
        place = next((i for i, one in enumerate(rest) if pattern.fullmatch(one)), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return None


class Reader:
    """Does what a page says, block after block, in one workspace."""

    def __init__(self, page: Path, home: Path, go: Callable[[Path], None]) -> None:
        self.page, self.home, self.go = page, home, go
        self.said = ""
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def read(self) -> None:
        """Follow the whole page. Raises AssertionError naming the line that is not so."""
        for block in blocks(self.page):
            if "not run" in block.says:
                self.said = ""
                continue
            step = {"console": self._type, "python": self._run, "text": self._compare, "diff": self._change}
            if block.title and block.language != "diff":
                self._write(block)
            elif block.language in step:
                step[block.language](block)

    def _at(self, block: Block) -> str:
        return f"{self.page.name}, line {block.line}"

    def _type(self, block: Block) -> None:
        expected = int(block.says.get("exit", 0))
        for command in block.commands:
            words = [self._named(word) for word in shlex.split(command)]
            if words[0] == "cd":
                self.home = self.home / words[1]
                self.go(self.home)
                continue
            assert words[0] == "p2c", f"{self._at(block)}: '{command}' cannot be run; say why before the block"
            with listening() as (out, talk):
                code = p2c(words[1:])
            self.said = out.getvalue()
            wanted = expected if command == block.commands[-1] else 0
            assert code == wanted, f"{self._at(block)}: '{command}' ended with {code}: {talk.getvalue()[-2000:]}"

    def _named(self, word: str) -> str:
        """The newest plan that writes something in the place of PLAN, and its run in that of RUN."""
        if word not in {"RUN", "PLAN"}:
            return word
        runs = self.home / ".p2c" / "runs"
        made = sorted(runs.glob("*/*/*/plan.json"), key=lambda plan: plan.stat().st_mtime, reverse=True)
        newest = next(plan for plan in made if _writes(plan))
        return str(newest.parent) if word == "PLAN" else newest.relative_to(runs).parts[0]

    def _run(self, block: Block) -> None:
        with listening() as (out, _talk):
            exec(compile(block.text, self._at(block), "exec"), self.names)
        self.said = out.getvalue()

    def _compare(self, block: Block) -> None:
        line = comes_in_order(block.text, self.said) if self.said else None
        assert line is None, f"{self._at(block)}: this did not come: {line}\nbut:\n{self.said[:3000]}"

    def _write(self, block: Block) -> None:
        place = self.home / block.title
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text, encoding="utf-8")

    def _change(self, block: Block) -> None:
        place = self.home / block.title
        text = place.read_text("utf-8")
        lines = block.text.splitlines()
        old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        assert text.count(old) == 1, f"{self._at(block)}: {block.title} does not hold this once:\n{old}"
        place.write_text(text.replace(old, new), encoding="utf-8")


def _writes(plan: Path) -> int:
    counts = json.loads(plan.read_text("utf-8"))["counts"]
    return int(counts["create"] + counts["update"] + counts["delete"])


@contextlib.contextmanager
def listening() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """What is said on both channels meanwhile; as for a user, a library's warning is no error."""
    out, talk = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(talk), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield out, talk


def p2c(words: list[str]) -> int:
    """``p2c`` with these words, in this process but for a run, which has kernels to look after; its exit code."""
    from p2c_lib.cli import main

    if words[0] == "run":
        command = [sys.executable, "-m", "p2c_lib.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode
    before, sys.argv = sys.argv, ["p2c", *words]
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    finally:
        sys.argv = before
    return 0
