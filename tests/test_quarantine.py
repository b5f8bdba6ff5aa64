"""Rows set aside: listed, shown, waived with a reason, released, exported; and what the gate makes of a waiver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyarrow import csv
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger

SCOPE = {"connection_set": "sandbox", "company": "USMF"}
DEM = WaitingRow("q-1", "quarantined", "CurrencyCode exists in F&O", "CurrencyCode", "DEM", "Currency DEM is unknown")
MAPPED = WaitingRow("q-2", "quarantined", "mapping of SalesUnitSymbol", "SalesUnitSymbol", "pal", "no such unit")
HELD = WaitingRow("q-3", "held", "accounts", "", "a-1", "waits for its customer A-1")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    opened = open_ledger(tmp_path / ".p2c")
    opened.record_waiting("r1", **SCOPE, task="quotes", rows=[DEM, MAPPED, HELD])
    return opened


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    return done.stdout


def test_a_waiver_lets_a_row_through_and_says_by_whom(ledger: Ledger) -> None:
    ledger.waive(**SCOPE, task="quotes", key="q-1", by="Ada", why="the customer pays in EUR")
    assert ledger.waived(**SCOPE, task="quotes") == {"q-1": "Ada: the customer pays in EUR"}
    ledger.record_waiting("r2", **SCOPE, task="quotes", rows=[MAPPED, HELD])
    (row,) = ledger.quarantine(**SCOPE, key="q-1")
    assert (row["state"], row["waived"]) == ("waived", "Ada: the customer pays in EUR")
    assert set(ledger.blocked(**SCOPE)["quotes"]) == {"q-2", "q-3"}


def test_releasing_ends_a_waiver_and_waiting(ledger: Ledger) -> None:
    ledger.waive(**SCOPE, task="quotes", key="q-1", by="Ada", why="fine")
    assert ledger.release(**SCOPE, task="quotes", key="q-1") == 2
    assert ledger.waived(**SCOPE, task="quotes") == {}
    assert ledger.quarantine(**SCOPE, key="q-1")[0]["state"] == "released"
    with pytest.raises(UnknownName, match="Unknown row set aside 'q-1'"):
        ledger.release(**SCOPE, task="quotes", key="q-1")


@pytest.mark.parametrize("key", ["q-2", "q-3"])
def test_only_the_gate_can_be_overruled(ledger: Ledger, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} cannot be waived"):
        ledger.waive(**SCOPE, task="quotes", key=key, by="Ada", why="please")


def test_a_waiver_needs_a_row_and_a_reason(ledger: Ledger) -> None:
    with pytest.raises(ConfigError, match="without a reason"):
        ledger.waive(**SCOPE, task="quotes", key="q-1", by="Ada", why=" ")
    with pytest.raises(UnknownName, match="Allowed: q-1, q-2, q-3"):
        ledger.waive(**SCOPE, task="quotes", key="q-9", by="Ada", why="x")


def test_the_words_of_the_command_line(ledger: Ledger, tmp_path: Path) -> None:
    told = run("quarantine", "list")
    assert "Currency DEM is unknown" in told
    assert "waits for its customer A-1" in told
    assert "quotes Q-1: waived by Ada" in run(
        "quarantine", "waive", "quotes", "Q-1", "--why", "pays in EUR", "--by", "Ada"
    )
    rows = json.loads(run("quarantine", "list", "--state", "waived", "--json"))["rows"]
    assert [(r["key"], r["waived"]) for r in rows] == [("q-1", "Ada: pays in EUR")]
    assert json.loads(run("quarantine", "show", "quotes", "Q-1"))["history"][0]["reason"] == "Currency DEM is unknown"
    run("quarantine", "release", "quotes", "Q-1")
    assert run("quarantine", "export", str(tmp_path / "rows.csv")).endswith("rows.csv: 2 rows\n")
    assert csv.read_csv(tmp_path / "rows.csv").column("key").to_pylist() == ["q-2", "q-3"]


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--state", "gone"),
        ("show", "quotes", "q-9"),
        ("release", "quotes", "q-9"),
        ("waive", "quotes", "q-9", "--why", "x"),
    ],
)
def test_unknown_rows_and_states_are_one_clear_line(ledger: Ledger, words: tuple[str, ...]) -> None:
    with pytest.raises(UnknownName, match="Unknown"):
        run("quarantine", *words)
