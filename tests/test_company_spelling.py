"""A company is one however it is spelt: what is kept of it is found under every spelling, an earlier version's too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.config import Connection, ConnectionSet, Workspace
from p2c_lib.errors import ConfigError
from p2c_lib.history.past_run import past_runs
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger
from p2c_lib.runs import checked
from p2c_lib.runs.asked import asked
from p2c_lib.session import Session

SPELT = ("usmf", "USMF", "Usmf")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    one = open_ledger(tmp_path)
    yield one
    assert one.verify().findings == ()
    one.close()


def scope(company: str) -> dict[str, Any]:
    return {"connection_set": "prod", "company": company, "task": "accounts"}


def row(key: str) -> WaitingRow:
    return WaitingRow(key=key, kind="quarantined", rule="a rule", field="Name", value="x", reason="it is wrong")


def marked(ledger: Ledger, run_id: str, company: str, rows: int) -> None:
    facts = dict.fromkeys(("template_sha", "suite_sha", "version", "place"), "1")
    ledger.set_mark(run_id, **scope(company), **facts, positions={"": "t"}, folder=Path(run_id), rows=rows)


@pytest.mark.parametrize("company", SPELT)
def test_a_set_a_session_and_a_run_have_one_spelling(company: str, tmp_path: Path) -> None:
    here = Connection("s", "sales", "https://s.example", "c", None)
    with Session(ConnectionSet("prod", here, here, company), Workspace(tmp_path)) as session:
        assert session.company == session.set.company == "USMF"
    assert checked("20_accounts", {"company": company}).company == "USMF"
    assert asked(Workspace(tmp_path), [], {}, companies=(company, "usrt")).companies == ("USMF", "USRT")
    with pytest.raises(ConfigError, match="The company USMF is named twice"):
        asked(Workspace(tmp_path), [], {}, companies=(company, "uSmF"))


@pytest.mark.parametrize("company", SPELT)
def test_what_was_kept_under_another_spelling_is_found(company: str, ledger: Ledger, tmp_path: Path) -> None:
    ledger.begin_run("r1", connection_set="prod", company="usmf", apply=True)
    ledger.record_waiting("r1", **scope("usmf"), rows=[row("a"), row("b")])
    ledger.waive(**scope("usmf"), key="a", by="me", why="it may")
    ledger.record_agreed("r1", **scope("usmf"), file=tmp_path / "agreed", rows=1)
    marked(ledger, "r1", "usmf", 1)
    here = scope(company)
    assert [each["key"] for each in ledger.waiting(**here)] == ["a", "b"]
    assert list(ledger.waived(**here)) == ["a"]
    assert [each["state"] for each in ledger.quarantine(**here)] == ["waived", "open"]
    assert ledger.agreed(**here) == tmp_path / "agreed"
    assert [(ledger.mark(**here) or {})["rows"], len(ledger.marks(connection_set="prod", company=company))] == [1, 1]
    assert [run.company for run in past_runs(ledger, Workspace(tmp_path), company=company)] == ["USMF"]
    ledger.record_waiting("r2", **here, rows=[row("b")])
    assert [each["key"] for each in ledger.waiting(**scope("usmf"))] == ["b"]
    assert ledger.release(**here, key="a") == 1
    marked(ledger, "r2", company, 2)
    ledger.record_agreed("r2", **here, file=tmp_path / "later", rows=1)
    for other in SPELT:
        assert (ledger.mark(**scope(other)) or {})["rows"] == 2
        assert ledger.agreed(**scope(other)) == tmp_path / "later"
    assert len(ledger.marks(connection_set="prod", company="USMF")) == 1
    assert ledger.waiting(**scope("usrt")) == []


def test_of_two_spellings_that_were_kept_apart_the_latest_counts(ledger: Ledger, tmp_path: Path) -> None:
    """As an earlier version left them: rows put down under each spelling by themselves."""
    from sqlalchemy import insert

    from p2c_lib.ledger import schema
    from p2c_lib.ledger.chain import keep

    facts = dict.fromkeys(("template_sha", "suite_sha", "version", "place", "folder", "run_id"), "1")
    with ledger._write() as connection:
        for at, company in (("2026-01-02", "usmf"), ("2026-01-01", "USMF")):
            mark = {**facts, **scope(company), "positions": "{}", "rows": int(at[-1]), "at": at}
            connection.execute(insert(schema.marks), mark)
            agreed = {**scope(company), "run_id": "1", "file": at, "rows": 1, "at": at}
            connection.execute(insert(schema.agreed), agreed)
            waits = {**scope(company), **asdict(row("a")), "first_run": "1", "first_seen": at}
            connection.execute(insert(schema.waiting), {**waits, "last_run": "1", "last_seen": at, "state": "open"})
        for table in (schema.marks, schema.agreed, schema.waiting):
            keep(connection, table)
    assert (ledger.mark(**scope("USMF")) or {})["rows"] == 2
    assert ledger.agreed(**scope("USMF")) == Path("2026-01-02")
    assert [mark["rows"] for mark in ledger.marks(connection_set="prod", company="USMF")] == [2]
    marked(ledger, "r3", "USMF", 3)
    assert (ledger.mark(**scope("usmf")) or {})["rows"] == 3
    ledger.record_waiting("r3", **scope("USMF"), rows=[row("a")])
    assert len(ledger.waiting(**scope("USMF"))) == 1
    ledger.record_waiting("r4", **scope("USMF"), rows=[])
    assert ledger.waiting(**scope("usmf")) == []
