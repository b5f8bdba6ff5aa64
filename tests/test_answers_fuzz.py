"""Thousands of damaged answers for every parser of what comes from outside: errors of ours, no crash, bounded memory.

``P2C_FUZZ_TIMES=100`` tries so many times more cases, ``P2C_FUZZ_SEED=7`` other ones. What went wrong is told with
parser, seed and number of the case; ``python -m tests.fuzz_answers PARSER SEED NUMBER 1 FILE`` tries that one alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz_answers import PARSERS

ROOT = Path(__file__).parent.parent
TIMES = int(os.environ.get("P2C_FUZZ_TIMES", "1"))
SEED = os.environ.get("P2C_FUZZ_SEED", "1")
GROUPS = {
    ("page", "links", "keys", "token", "batch", "error", "map"): 300,
    ("writes", "package", "precisions", "sets", "sales identity", "finops identity", "finops count"): 80,
    ("sales metadata", "finops metadata", "sales count", "kept"): 40,
    ("sales read", "finops read", "one row", "changes", "later changes"): 50,
}
QUIET = {"links", "error", "writes", "kept", "precisions"}  # these tell of errors as values, or ask anew
MOST_MB = 700  # a page is small here: what one case takes beyond the libraries themselves is some ten
SECONDS = 300


def test_every_parser_has_its_cases() -> None:
    assert sorted(name for names in GROUPS for name in names) == sorted(PARSERS)


@pytest.mark.parametrize("parsers", GROUPS, ids=lambda names: names[0])
def test_damaged_answers_end_in_errors_of_ours(parsers: tuple[str, ...], tmp_path: Path) -> None:
    note, cases = tmp_path / "note", str(GROUPS[parsers] * TIMES)
    note.write_bytes(bytes(100))
    command = [sys.executable, "-m", "tests.fuzz_answers", ",".join(parsers), SEED, "0", cases, str(note)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS * TIMES)
    last = note.read_bytes().decode("utf-8", "replace").replace("\0", "").split(maxsplit=1)
    print(f"seed {SEED}, {cases} cases each of {', '.join(parsers)}")
    assert done.returncode == 0, f"seed {SEED}, case and parser at the end {last}\n{done.stdout}\n{done.stderr[-2000:]}"
    ways = re.findall(r"(.+): refused (\d+), read (\d+)", done.stdout)
    assert [name for name, _, read in ways if read != "0"] == list(parsers)  # what is sound is still read
    assert {name for name, refused, _ in ways if refused == "0"} <= QUIET
    peak = re.search(r"peak (\d+) MB", done.stdout)
    assert peak is not None
    assert int(peak[1]) < MOST_MB
