"""No text that comes from outside makes a regular expression of the package run for long."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.attack import patterns, slow

# Made of what comes, so that they are no constants: each is bounded where it is made.
MADE = {
    "p2c_lib.gates.scan",  # a suite's own pattern
    "p2c_lib.gates.suite",
    "p2c_lib.mapping.transforms.numbers",  # a template's marks, escaped
    "p2c_lib.odata.statuses",  # an HTTP status
    "p2c_lib.sandbox.batch",  # a boundary, escaped
    "p2c_lib.sandbox.collation",  # LIKE, whose pieces are taken where they are found first
    "p2c_lib.secrecy.words",  # secrets, escaped
}


def test_every_pattern_ends_soon_on_every_attack() -> None:
    assert slow() == []


def test_every_pattern_is_looked_at() -> None:
    found, made = patterns()
    assert len(found) > 150
    assert {each.partition(":")[0] for each in made} == MADE


@pytest.mark.parametrize("quotes", ["''", "a''"])
def test_a_key_of_many_quotes_is_answered(quotes: str) -> None:
    ask = f"import p2c_lib.sandbox.finops.service as s; s._KEYED.fullmatch('CustomersV2(' + {quotes!r} * 200)"
    assert subprocess.run([sys.executable, "-c", ask], timeout=60, check=False).returncode == 0
