"""Rows pair, are held and are told apart as the system does that keeps them; an empty part of a key is a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.gates import check
from p2c_lib.keys import RowKey
from p2c_lib.ledger import WaitingRow, open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.mapping import Template
from p2c_lib.mapping.context import RunContext
from p2c_lib.mapping.template import FieldRule
from p2c_lib.mapping.transforms.codes import lookup
from p2c_lib.odata import Query
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.plan import Plan, plan
from p2c_lib.reconcile import Reconciliation, reconcile
from p2c_lib.reconcile.orphans import orphans
from p2c_lib.session import Session, connect
from tests.customers import TEMPLATE, expected_of, plan_of, there

COLUMNS = {name: Column(name, "Edm.String", pa.string()) for name in ("productnumber", "name")}
PRODUCTS = EntitySchema(
    "sales",
    "products",
    "product",
    ("productid",),
    COLUMNS,
    alternate_keys={"number": ("productnumber",), "called": ("name",)},
)
VARIANTS = EntitySchema(
    "finops",
    "Variants",
    "Variant",
    ("Item", "Colour"),
    {
        "Item": Column("Item", "Edm.String", pa.string(), required=True),
        "Colour": Column("Colour", "Edm.String", pa.string()),
    },
)
SCOPE = {"connection_set": "sandbox", "company": "usmf"}


def frame(rows: dict[str, Any], key: tuple[str, ...], app: str, schema: EntitySchema | None = None) -> EntityFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    origin = Origin(app, "http://127.0.0.1:1", "org", None, "things", "", key, at, None, complete=True, note="")
    table = pa.table(rows)
    if "@row" not in table.column_names:
        table = table.append_column("@row", pa.array(range(table.num_rows), pa.int64()))
    return EntityFrame(table, origin, schema)


def template(app: str, key: str = "productnumber", **more: Any) -> Template:
    other = "finops" if app == "sales" else "sales"
    return Template.model_validate(
        {
            "task": "things",
            "title": "Things",
            "source": {"app": other, "entity": "Sources"},
            "destination": {"app": app, "entity": "things"},
            "key": {"Number": key},
            "fields": [{"from": "Number", "to": key}, {"from": "Name", "to": "name"}],
            **more,
        }
    )


def judged(rows: dict[str, Any], app: str, folder: Path, schema: EntitySchema | None = None, **more: Any) -> Any:
    """The gate over mapped rows of a task whose suite asks for nothing."""
    suite = folder / "things.json"
    suite.write_text(json.dumps({"name": "things", "expectations": more.pop("expectations", []), "meta": {}}))
    made = template(app, **more.pop("made", {}))
    names = [*made.key.values(), "field", "value", "reason"]
    nothing = pa.schema([*((n, pa.string()) for n in names), ("@row", pa.int64())]).empty_table()
    mapped: Any = SimpleNamespace(
        frame=frame(rows, tuple(made.key.values()), app, schema),
        source=frame({"Number": rows["productnumber"]}, ("Number",), app),
        rejected=nothing,
        template=made,
        references=more.pop("references", {}),
    )
    return check(mapped, [suite], ceiling=1, **more)


def numbered(*numbers: str | None) -> dict[str, Any]:
    return {"productnumber": pa.array(numbers, pa.string()), "name": [f"n{i}" for i in range(len(numbers))]}


def test_keys_that_sales_takes_for_one_are_set_aside_with_both_spellings(tmp_path: Path) -> None:
    result = judged(numbered("CAFÉ-1", "P-2", "Cafe-1 ", None, "P-3", "P-3"), "sales", tmp_path, PRODUCTS)
    words = "'CAFÉ-1', 'Cafe-1 ' are one key in Sales: Sales ignores case, accents and blanks at the end"
    assert [(r["key"], r["rule"], r["reason"]) for r in result.quarantined.to_pylist()] == [
        ("cafe-1", "one key in Sales: productnumber", words),
        ("cafe-1", "one key in Sales: productnumber", words),
    ]
    counts = result.counts
    assert (counts["read"], counts["passed"], counts["quarantined"]) == (6, 4, 2)
    (told,) = [r for r in result.rules.to_pylist() if r["stage"] == "keys"]
    assert (told["rows"], told["outcome"], told["judged_by"]) == (2, "fails", "keys")


def test_accents_tell_keys_apart_in_finops_and_case_does_not(tmp_path: Path) -> None:
    assert judged(numbered("CAFÉ-1", "CAFE-1"), "finops", tmp_path).counts["passed"] == 2
    result = judged(numbered("abc", "ABC", "x"), "finops", tmp_path)
    assert {r["reason"] for r in result.quarantined.to_pylist()} == {
        "'abc', 'ABC' are one key in F&O: F&O ignores case and blanks at the end"
    }
    assert result.passed.table.column("productnumber").to_pylist() == ["x"]


def test_every_other_key_of_a_sales_set_that_the_task_writes_is_held_too(tmp_path: Path) -> None:
    rows = {"productnumber": ["1", "2", "3", "4"], "name": pa.array(["Bike", "bíke", None, None])}
    result = judged(rows, "sales", tmp_path, PRODUCTS)
    assert [(r["key"], r["column"]) for r in result.quarantined.to_pylist()] == [("1", "name"), ("2", "name")]
    alike = judged({"productnumber": ["1", "2"], "name": ["Bike", "Bike"]}, "sales", tmp_path, PRODUCTS)
    assert {r["reason"] for r in alike.quarantined.to_pylist()} == {
        "'Bike' stands on 2 rows, and name is a key in Sales"
    }
    assert judged(rows, "sales", tmp_path).counts["quarantined"] == 0, "without a schema no other key is known"


def test_no_word_lets_two_rows_into_one_key(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    row = WaitingRow("cafe-1", "quarantined", "one key in Sales: productnumber", "productnumber", "CAFÉ-1", "one key")
    ledger.record_waiting("r1", **SCOPE, task="products", rows=[row])
    with pytest.raises(ConfigError, match="cannot be waived"):
        ledger.waive(**SCOPE, task="products", key="cafe-1", by="Ada", why="please")


def test_a_reference_is_known_in_every_spelling_its_system_takes_for_it(tmp_path: Path) -> None:
    rule = {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "name", "value_set": {"$PARAMETER": "uoms_name"}},
    }
    fields = [{"from": "Number", "to": "productnumber"}, {"from": "Name", "to": "name", "exists_in": "uoms.name"}]
    rows = {"productnumber": ["1", "2", "3"], "name": ["each", "Eách", "box"]}
    for app, wrong in (("sales", ["3"]), ("finops", ["2", "3"])):
        result = judged(
            rows,
            app,
            tmp_path,
            expectations=[rule],
            made={"fields": fields},
            references={"uoms.name": ("Each", "Pair")},
        )
        assert result.quarantined.column("key").to_pylist() == wrong


@pytest.mark.parametrize(("kept_in", "waiting"), [({"parents": "sales"}, ["a", "b"]), ({}, ["a"])])
def test_a_row_waits_for_a_parent_as_the_parents_system_names_it(
    tmp_path: Path, kept_in: dict[str, str], waiting: list[str]
) -> None:
    rows = {"productnumber": ["a", "b", "c"], "name": ["cafe-1", "CAFÉ-1", "tee-1"]}
    parents = [{"column": "name", "tasks": ["parents"], "says": "its parent"}]
    blocked = {"parents": {"cafe-1": "it is set aside"}}
    result = judged(rows, "finops", tmp_path, blocked=blocked, kept_in=kept_in, made={"parents": parents})
    assert result.held.column("key").to_pylist() == waiting


def compared(expected: dict[str, Any], actual: dict[str, Any], app: str) -> Reconciliation:
    other = "finops" if app == "sales" else "sales"
    rules: Any = SimpleNamespace(
        task="things",
        sha="s",
        compare=template(app).compare,
        rule=lambda _: None,
        title="",
        limits=template(app).limits,
    )
    key = ("productnumber",)
    return reconcile(frame(expected, key, other), frame(actual, key, app), rules)


def test_rows_pair_as_the_destination_compares() -> None:
    expected, actual = numbered("CAFÉ-1", "ABC "), numbered("cafe-1", "abc")
    assert compared(expected, actual, "sales").summary["equal"] == 2
    found = compared(expected, actual, "finops").summary
    assert (found["equal"], found["missing"], found["extra"]) == (1, 1, 1)


def planned(recon: Reconciliation, folder: Path) -> Plan:
    counts = {"read": len(recon.expected), "passed": len(recon.expected), "quarantined": 0, "held": 0}
    gate: Any = SimpleNamespace(passed=recon.expected, verdict="pass", why="", counts=counts, suite_sha="s")
    return plan(recon, gate, folder=folder)


def test_a_plan_never_creates_what_is_one_key_twice(tmp_path: Path) -> None:
    recon = compared(numbered("CAFÉ-1", "Cafe-1", "new", "a", "a"), numbered("old", "old"), "sales")
    assert planned(recon, tmp_path).operations.column("key").to_pylist() == ["new"]
    assert dict(recon.twice) == {
        "cafe-1": "2 source rows are one key in Sales, 'CAFÉ-1', 'Cafe-1': "
        "Sales ignores case, accents and blanks at the end",
        "a": "'a' stands on 2 rows of the source",
        "old": "'old' stands on 2 rows of the destination",
    }
    assert "are one key in Sales" in recon.report().to_text()
    assert recon.rows("duplicate").column("productnumber").to_pylist() == ["a", "a", "CAFÉ-1", "Cafe-1", "old", "old"]
    apart = compared(numbered("CAFÉ-1", "Cafe-1"), numbered(), "finops")
    assert planned(apart, tmp_path).creates == 2


def test_a_plan_tells_which_of_its_writes_another_key_of_sales_will_refuse(tmp_path: Path) -> None:
    expected = {"productnumber": ["1", "2", "3"], "name": ["Bíke", "Tent", "Cup"]}
    actual = {"productnumber": ["2", "9"], "name": ["Tent ", "BIKE"]}
    key, made = ("productnumber",), template("sales")
    recon = reconcile(frame(expected, key, "finops", PRODUCTS), frame(actual, key, "sales", PRODUCTS), made)
    found = planned(recon, tmp_path)
    assert found.facts["taken"] == [
        {"key": "1", "columns": "name", "by": "9", "why": "name is a key in Sales and stands there on 9"}
    ]
    assert "Will be refused: a key is taken" in found.report().to_text()
    assert found.only(keys=["3"]).facts["taken"] == []
    bare = reconcile(frame(expected, key, "finops"), frame(actual, key, "sales"), made)
    assert planned(bare, tmp_path).facts["taken"] == []


def test_an_empty_part_pairs_and_a_missing_one_does_not() -> None:
    rows = {"Item": ["A", "A", None, None], "Colour": [None, "Red", "Red", None], "name": ["1", "2", "3", "4"]}
    there_now = {"Item": ["a", "A"], "Colour": pa.array([None, "red"], pa.string()), "name": ["1", "2"]}
    key = ("Item", "Colour")
    rules: Any = SimpleNamespace(task="t", sha="s", compare=template("finops").compare, rule=lambda _: None)
    sides = (frame(rows, key, "sales", VARIANTS), frame(there_now, key, "finops", VARIANTS))
    found = reconcile(*sides, rules)
    assert (found.summary["equal"], found.summary["invalid"]) == (2, 2)
    assert found.rows("equal").column("key").to_pylist() == ["a|", "a|red"]
    assert sides[0].row_key() == RowKey(key, "finops", frozenset({"Colour"}))


def test_an_orphan_is_one_to_the_system_that_has_the_parents() -> None:
    children = frame({"id": ["1", "2"], "of": ["Café", "tea"]}, ("id",), "finops")
    for app, lost in (("sales", ["2"]), ("finops", ["1", "2"])):
        parents = frame({"no": ["CAFE"]}, ("no",), app)
        assert orphans(children, "of", parents, "no").column("key").to_pylist() == lost


def test_what_was_set_aside_or_let_through_before_stays_so(tmp_path: Path) -> None:
    ledger, key = open_ledger(tmp_path), RowKey(("productnumber",), "sales")
    row = WaitingRow("café-1", "quarantined", "a rule", "name", None, "no")
    ledger.record_waiting("r1", **SCOPE, task="products", rows=[row, WaitingRow("q|1", "held", "", "", None, "x")])
    ledger.record_waiting("r1", **SCOPE, task="other", rows=[row])
    ledger.waive(**SCOPE, task="products", key="café-1", by="Ada", why="fine")
    assert ledger.renew_keys(key.given, **SCOPE, task="products") == 2
    assert ledger.renew_keys(key.given, **SCOPE, task="products") == 0
    assert set(ledger.blocked(**SCOPE)["products"]) == {"cafe-1", "q|1"}
    assert set(ledger.blocked(**SCOPE)["other"]) == {"café-1"}
    assert ledger.waived(**SCOPE, task="products") == {"cafe-1": "Ada: fine"}
    assert ledger.quarantine(**SCOPE, task="products", key="cafe-1")[0]["state"] == "waived"
    assert ledger.verify().sound


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("pairing"))) as opened:
        yield opened


ACCOUNTS = Template.model_validate(
    {
        "task": "accounts",
        "title": "Accounts of a test",
        "source": {"app": "finops", "entity": "CustomersV2"},
        "destination": {"app": "sales", "entity": "accounts"},
        "key": {"CustomerAccount": "accountnumber"},
        "fields": [
            {"from": "CustomerAccount", "to": "accountnumber"},
            {"from": "OrganizationName", "to": "name"},
        ],
    }
)


def test_a_row_of_sales_is_found_under_another_spelling_and_updated(session: Session, tmp_path: Path) -> None:
    first = plan_of(session, [{"accountnumber": "KAFFÉ-1", "name": "old"}], tmp_path, "KAFF", ACCOUNTS)
    assert apply(first, session).created == 1
    rows = [{"accountnumber": "kaffe-1", "name": "new"}]
    second = plan_of(session, rows, tmp_path, "KAFF", ACCOUNTS)
    assert (second.creates, second.updates) == (0, 1)
    assert apply(second, session).updated == 1
    assert [row["name"] for row in there(session, "KAFF", ACCOUNTS).table.to_pylist()] == ["new"]
    assert len(plan_of(session, rows, tmp_path, "KAFF", ACCOUNTS)) == 0


def test_a_lookup_finds_its_row_as_the_rows_system_compares(session: Session) -> None:
    plan_ = plan_of(session, [{"accountnumber": "ÜBER-1", "name": "Über"}], session.workspace.state, "ÜBER", ACCOUNTS)
    assert apply(plan_, session).created == 1
    found = lookup(pa.array(["uber-1 "]), "accounts.name", "accountnumber", "sales", context=RunContext(session))
    assert found.values.to_pylist() == ["Über"]


PARTS = ("ProductMasterNumber", "ProductConfigurationId", "ProductSizeId", "ProductColorId", "ProductStyleId")
KEY = (*PARTS, "ProductVersionId")
OF_VARIANTS = Template.model_validate(
    {
        "task": "variants",
        "title": "Variants of a test",
        "source": {"app": "sales", "entity": "products"},
        "destination": {"app": "finops", "entity": "ReleasedProductVariantsV2"},
        "key": {f"part{n}": name for n, name in enumerate(KEY)},
        "fields": [
            *({"from": f"part{n}", "to": name} for n, name in enumerate(KEY)),
            {"from": "name", "to": "ProductName"},
        ],
    }
)


def variant(name: str | None, **parts: str) -> dict[str, Any]:
    return {**dict.fromkeys(KEY), "ProductMasterNumber": "ZV-1", "ProductName": name, **parts}


def of_variants(session: Session, folder: Path, *rows: dict[str, Any]) -> Plan:
    schema = session.finops.schema("ReleasedProductVariantsV2")
    expected = expected_of(session, rows, OF_VARIANTS)
    mapped = EntityFrame(expected.table, expected.origin, schema)
    return planned(reconcile(mapped, there(session, "ZV-", OF_VARIANTS), OF_VARIANTS), folder)


def test_rows_with_an_empty_part_are_planned_applied_and_taken_back(session: Session, tmp_path: Path) -> None:
    plain, red = variant("Plain", ProductSizeId="L"), variant("Red", ProductSizeId="L", ProductColorId="Red")
    first = of_variants(session, tmp_path, plain, red)
    assert first.operations.column("key").to_pylist() == ["zv-1||l|red||", "zv-1||l|||"]
    assert apply(first, session).created == 2
    assert len(of_variants(session, tmp_path, plain, red)) == 0
    second = of_variants(session, tmp_path, plain | {"ProductName": "Without colour"}, red)
    assert (second.updates, second.creates) == (1, 0)
    (before,) = second.operations.column("before").to_pylist()
    assert (before["ProductName"], before["ProductColorId"]) == ("Plain", None)
    outcome = apply(second, session)
    assert (outcome.updated, outcome.failed) == (1, 0)
    (back,) = undo(second, session)
    assert apply(back, session).updated == 1
    assert [row["ProductName"] for row in there(session, "ZV-", OF_VARIANTS).table.to_pylist()] == ["Plain", "Red"]
    (gone,) = undo(first, session)
    assert [line["key"] for line in gone.facts["cannot"]] == ["zv-1||l|||"], "it was touched since"
    assert apply(gone, session).deleted == 1
    fresh = of_variants(session, tmp_path, plain, variant("Blue", ProductColorId="Blue"), variant("None"))
    assert apply(fresh, session).created == 2
    (last,) = undo(fresh, session)
    assert apply(last, session).deleted == 2
    assert [row["ProductSizeId"] for row in there(session, "ZV-", OF_VARIANTS).table.to_pylist()] == ["L"]


SPELT = {  # as a row is stored, and as a plan names it
    "sales": [("ZU-Ab", "zu-aB "), ("ZU-É1", "zu-e1"), ("ZU-ß", "ZU-SS"), ("ZU-3", "ZU-3  "), ("ZU-Ａ", "zu-a")],
    "finops": [("ZU-Ab", "zu-aB "), ("ZU-É1", "zu-é1"), ("ZU-ß", "ZU-SS"), ("ZU-3", "ZU-3  "), ("ZU-Ａ", "zu-a")],
}
TEXTS = {"sales": ("name", "description"), "finops": ("OrganizationName", "SalesMemo")}
# What the services themselves stamp on every row that is written.
STAMPS = {"modifiedon", "createdon", "versionnumber", "@etag", "@i", "@row", "importsequencenumber", "PartyNumber"}


WITH_MEMO = ACCOUNTS.model_copy(
    update={"fields": (*ACCOUNTS.fields, FieldRule.model_validate({"from": "SalesMemo", "to": "description"}))}
)


def whole(session: Session, app: str) -> dict[str, Any]:
    """Every column of the rows of a test, but for what no write sets, by key."""
    entity_set, key = ("accounts", "accountnumber") if app == "sales" else ("CustomersV2", "CustomerAccount")
    client = session.client("sales" if app == "sales" else "finops")
    names = tuple(name for name in client.schema(entity_set).columns if name not in STAMPS)
    rows = [row for page in client.read(Query(entity_set, names)) for row in page.table.to_pylist()]
    mine = [row for row in rows if (row[key] or "").upper().startswith("ZU-")]
    return {row[key]: {name: value for name, value in row.items() if name not in STAMPS} for row in mine}


@pytest.mark.parametrize("app", ["sales", "finops"])
def test_rows_that_a_plan_spells_otherwise_are_taken_back_exactly(session: Session, tmp_path: Path, app: str) -> None:
    """Taken back, made again and taken back: each time every row is as it was, its key's spelling too."""
    name, memo = TEXTS[app]
    made, key = (WITH_MEMO, "accountnumber") if app == "sales" else (TEMPLATE, "CustomerAccount")

    def planned_rows(rows: list[tuple[str, str, str | None]]) -> Plan:
        listed = [{key: number, name: called, memo: said} for number, called, said in rows]
        for row in listed:
            row |= {"AddressCity": "X", "CreditLimit": 1} if app == "finops" else {}
        return plan_of(session, listed, tmp_path, "ZU-", made)

    assert apply(planned_rows([(stored, f"old {stored}", "memo") for stored, _ in SPELT[app]]), session).failed == 0
    before = whole(session, app)
    assert set(before) == {stored for stored, _ in SPELT[app]}
    plan_ = planned_rows([(spelt, f"new {spelt}", None) for _, spelt in SPELT[app]] + [("ZU-new  ", "n", "m")])
    assert (plan_.creates, plan_.updates) == (1, len(SPELT[app]))
    assert apply(plan_, session).failed == 0
    after = whole(session, app)
    assert len(after) == len(before) + 1
    step = plan_
    for wanted in (before, after, before):
        (step,) = undo(step, session)
        assert step.facts["cannot"] == []
        outcome = apply(step, session)
        assert (outcome.failed, outcome.drifted) == (0, 0)
        assert whole(session, app) == wanted
