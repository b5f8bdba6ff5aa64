"""Switches of both systems come from one file, and only what is one is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.choices import Choices, read_choices
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches


def test_no_file_means_the_defaults(tmp_path: Path):
    assert read_choices(tmp_path / "switches.json") == Choices(SalesSwitches(), Switches())


def test_a_file_sets_some_switches_of_either_system(tmp_path: Path):
    path = tmp_path / "switches.json"
    path.write_text(
        """{"finops": {"next_link": "skiptoken", "page_size": 5},
            "sales": {"solution": false, "window": 60, "without_bulk": ["account"]}}""",
        "utf-8",
    )
    assert read_choices(path) == Choices(
        SalesSwitches(solution=False, window=60, without_bulk=("account",)),
        Switches(next_link="skiptoken", page_size=5),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "does not hold switches"),
        ('{"finops": 5}', "does not hold switches"),
        ('{"finance": {}}', "Unknown system 'finance'"),
        ('{"finops": {"nextlink": "skip"}}', "Did you mean 'next_link'"),
        ('{"finops": {"next_link": "x"}}', "Allowed: skip, skiptoken"),
        ('{"finops": {"write_error_status": 401}}', "Allowed: 400, 500"),
        ('{"finops": {"page_size": "5"}}', "a whole number from 0"),
        ('{"finops": {"page_size": true}}', "cannot be True"),
        ('{"sales": {"solution": 1}}', "Allowed: true, false"),
        ('{"sales": {"window": -1}}', "a number from 0"),
        ('{"sales": {"without_bulk": "account"}}', "a list of texts"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(tmp_path: Path, text: str, said: str):
    path = tmp_path / "switches.json"
    path.write_text(text, "utf-8")
    with pytest.raises((SandboxError, UnknownName), match=said):
        read_choices(path)
