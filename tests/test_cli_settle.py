"""``p2c settle``: proposals are shown with their effect, and go into the workspace's template when named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.mapping import template
from p2c_lib.sandbox import process


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace whose sandbox is up."""
    folder = tmp_path_factory.mktemp("settle")
    running = process.start(folder / ".p2c" / "sandbox")
    yield folder
    process.stop(running)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(home))


def test_a_proposal_that_is_accepted_settles_its_differences_from_then_on(home: Path) -> None:
    shown = CliRunner().invoke(app, ["settle", "accounts", "--json"])
    proposals = json.loads(shown.stdout)
    assert not (home / "templates").exists()
    number, phone = next((n, p) for n, p in enumerate(proposals, 1) if p["fix"]["cause"] == "phone-format")
    assert (phone["before"], phone["after"], phone["resolved"], phone["made"]) == (3, 0, 3, 0)

    accepted = CliRunner().invoke(app, ["settle", "accounts", str(number)])
    assert accepted.exit_code == 0
    assert template(str(home / "templates" / "accounts.yml")).compare.same == {"PrimaryContactPhone": ("phone-format",)}
    left = json.loads(CliRunner().invoke(app, ["settle", "accounts", "--json"]).stdout)
    assert [p["fix"] for p in left] == [p["fix"] for p in proposals if p is not phone]


def test_a_number_that_is_none_is_named_and_nothing_written(home: Path) -> None:
    done = CliRunner().invoke(app, ["settle", "contacts", "99"])
    assert "Unknown proposal '99'" in f"{done.exception}"
    assert not (home / "templates" / "contacts.yml").exists()
