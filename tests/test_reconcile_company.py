"""Beyond two sides: what moved since both agreed, extra rows, orphans, and the same party twice in one system."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.errors import UnknownName
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping.template import CompareRules
from p2c_lib.reconcile import reconcile
from p2c_lib.reconcile.duplicates import Likeness, find_duplicates
from p2c_lib.reconcile.orphans import orphans
from p2c_lib.reconcile.three_sides import extras_of, moved_since

RULES: Any = SimpleNamespace(task="things", sha="s", compare=CompareRules(), rule={}.get)


def frame(rows: dict[str, Any], key: tuple[str, ...] = ("id",), *, complete: bool = True) -> EntityFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    note = "" if complete else "filtered by statecode eq 0"
    return EntityFrame(pa.table(rows), Origin("sales", "", "org", None, "things", "", key, at, None, complete, note))


def test_the_last_agreed_state_tells_which_side_moved() -> None:
    ids = ["a", "b", "c", "d"]
    result = reconcile(frame({"id": ids, "x": [1, 2, 1, 1]}), frame({"id": ids, "x": [2, 1, 3, 2]}), RULES)
    agreed = frame({"id": ["a", "b", "c"], "x": [2, 2, 2], "more": [0, 0, 0]})
    moved = moved_since(result, agreed)
    assert dict(zip(moved.column("key").to_pylist(), moved.column("moved").to_pylist(), strict=True)) == {
        "a": "source-ahead",
        "b": "destination-ahead",
        "c": "both-changed",
        "d": "unknown",
    }


def test_nothing_moved_when_nothing_differs() -> None:
    same = frame({"id": ["a"], "x": [1]})
    assert moved_since(reconcile(same, same, RULES), same).num_rows == 0


def test_extra_rows_are_ours_or_never_were() -> None:
    source = frame({"id": ["a"], "IsExternallyMaintained": ["Yes"]})
    there = frame(
        {"id": ["a", "old", "US-001", "kept", "was"], "IsExternallyMaintained": ["Yes", "Yes", "No", "Yes", "No"]}
    )
    result = reconcile(source, there, RULES)
    agreed = frame({"id": ["was"], "IsExternallyMaintained": ["Yes"]})
    found = extras_of(result, agreed=agreed, aside=["kept"])
    assert dict(zip(found.column("key").to_pylist(), found.column("origin").to_pylist(), strict=True)) == {
        "old": "deleted-at-source",
        "us-001": "never-ours",
        "kept": "ours",
        "was": "deleted-at-source",
    }


def test_a_part_of_the_source_never_proves_a_deletion() -> None:
    there = frame({"id": ["old"], "IsExternallyMaintained": ["Yes"]})
    none = frame({"id": pa.array([], pa.string()), "IsExternallyMaintained": pa.array([], pa.string())}, complete=False)
    found = extras_of(reconcile(none, there, RULES)).to_pylist()
    assert [(r["origin"], r["why"]) for r in found] == [
        ("ours", "not among the rows read from the source (filtered by statecode eq 0)")
    ]


def test_orphans_refer_to_rows_there_are_not() -> None:
    contacts = frame({"id": ["c1", "c2", "c3", "c4"], "account": ["A-1", "a-1 ", "A-9", None]})
    accounts = frame({"number": ["A-1"]}, ("number",))
    assert orphans(contacts, "account", accounts, "number").to_pylist() == [{"@i": 2, "key": "c3", "refers_to": "A-9"}]
    assert orphans(contacts, "account", accounts, "number", blank=True).column("key").to_pylist() == ["c3", "c4"]
    with pytest.raises(UnknownName, match="Did you mean 'account'"):
        orphans(contacts, "acount", accounts, "number")


FIRMS = {
    "id": ["1", "2", "3", "4", "5", "6"],
    "name": ["VIZ Media GmbH", "Viz Media", "Fabrikam Inc.", "Media VIZ AG", "Contoso Ltd", "Fabricam, Inc"],
    "email": ["info@viz.example", None, "a@fabrikam.example", None, None, "b@fabrikam.example"],
    "city": ["Berlin", "Berlin", "Austin", "Berlin", "Paris", "Austin"],
}


def test_one_party_twice_is_found_by_likeness() -> None:
    found = find_duplicates(frame(FIRMS), Likeness(name=("name",), email=("email",), address=("city",)), threshold=85)
    pairs = [(r["key_a"], r["key_b"]) for r in found.pairs.to_pylist()]
    assert set(pairs) == {("1", "2"), ("1", "4"), ("2", "4"), ("3", "6")}
    assert found.pairs.column("score").to_pylist() == sorted(found.pairs.column("score").to_pylist(), reverse=True)
    assert found.recall is not None
    assert f"{found.recall:.0%}" in str(found)


def test_names_that_only_resemble_need_something_that_is_the_same() -> None:
    rows = {"id": ["1", "2"], "name": ["Eduardo Ross", "Eduardo Rogers"], "email": ["e1@x.example", "e2@x.example"]}
    by = Likeness(name=("name",), email=("email",))
    assert find_duplicates(frame(rows), by, threshold=85).pairs.num_rows == 0
    rows["email"] = ["e1@x.example"] * 2
    assert find_duplicates(frame(rows), by, threshold=85).pairs.num_rows == 1


def test_what_a_person_decided_is_not_asked_again() -> None:
    likeness = Likeness(name=("name",), address=("city",))
    found = find_duplicates(frame(FIRMS), likeness, threshold=85, decided={("1", "2"): "same", ("3", "6"): "not same"})
    asked = {(r["key_a"], r["key_b"]) for r in found.open.to_pylist()}
    assert asked == {("1", "4"), ("2", "4")}
    assert found.pairs.num_rows == 4


def test_blocking_misses_are_part_of_the_answer() -> None:
    rows = {
        "id": ["1", "2"],
        "name": ["Xdventure Works Bicycles and Spare Parts", "Adventure Works Bicycles and Spare Partz"],
    }
    found = find_duplicates(frame(rows), Likeness(name=("name",)))
    assert (found.pairs.num_rows, found.recall) == (0, 0.0)


def test_nothing_to_compare() -> None:
    none = frame({"id": pa.array([], pa.string()), "name": pa.array([], pa.string())})
    found = find_duplicates(none, Likeness(name=("name",)))
    assert (found.pairs.num_rows, found.compared, found.recall) == (0, 0, None)
    with pytest.raises(UnknownName):
        find_duplicates(none, replace(Likeness(name=("nome",))))
