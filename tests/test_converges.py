"""What was applied is agreed: after a load the same source leaves nothing to write, whatever its values are.

Rows of the source get values that a destination keeps in a form of its own: blanks where a text is cut, blanks and
other white space at its ends, decimals beyond a column's, choices and yes or no without a value. Then every packaged
template runs twice, with its defaults and with each of its options answered in every way.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.flow import TASKS, TaskWalk
from p2c_lib.mapping import Template
from p2c_lib.mapping.document import to_yaml
from p2c_lib.mapping.kept import column_as_kept
from p2c_lib.mapping.reading import packaged_template
from p2c_lib.odata import Query, Write
from p2c_lib.odata.schema import Column
from p2c_lib.session import Session, connect

ROWS = 40
SHORT = 10  # a postal code is the shortest
SEED = int(os.environ.get("P2C_FUZZ_SEED", "20261128"))
CUTS = (20, 60, 100)
# What a text may hold beside letters: blanks of several kinds, letters of two UTF-16 units, marks, signs of syntax.
BLANKS = [" ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b"]
SIGNS = [*BLANKS, "é", "e\u0301", "ß", "İ", "ς", "日本", "🚚", "'", "*", "%"]
# Fields that F&O holds against lists or forms of its own, or that the gate judges by their form.
AS_THEY_ARE = {
    *("address1_country", "address2_country", "shipto_country", "emailaddress1", "websiteurl", "telephone1"),
    *("SalesUnitSymbol", "CurrencyCode"),
}


def text(made: random.Random, longest: int) -> str:
    """A text with blanks where a column of 20, 60 or 100 letters cuts it, and at its ends."""
    letters = [made.choice("abcdefgh") for _ in range(made.randint(1, 120))]
    for cut in CUTS:
        for at in range(cut - made.randint(0, 3), cut + 1):
            if at < len(letters) and made.random() < 0.7:
                letters[at] = " "
    for _ in range(made.randint(0, 4)):
        letters.insert(made.randrange(len(letters)), made.choice(SIGNS))
    whole = "".join(letters) + made.choice(["", "", " ", "   ", "\t", " \n"])
    cut = whole.encode("utf-16-le")[: 2 * min(longest, 120)].decode("utf-16-le", "ignore")
    return cut if cut.strip() else f"{cut}x"


def value(made: random.Random, column: Column, longest: int) -> Any:
    """A value of the column, or none."""
    if made.random() < 0.1 and not column.required and longest <= SHORT:
        return None
    if pa.types.is_string(column.type):
        return text(made, min(column.max_length or 120, longest))
    if pa.types.is_decimal(column.type):
        return Decimal(made.randint(0, 10**8)).scaleb(-made.randint(0, min(6, column.type.scale)))
    if pa.types.is_timestamp(column.type):
        return f"20{made.randint(10, 30)}-0{made.randint(1, 9)}-1{made.randint(0, 9)}T{made.randint(10, 23)}:59:30Z"
    if pa.types.is_integer(column.type):
        return made.randint(0, 5)
    if pa.types.is_boolean(column.type):
        return made.choice([True, False])
    raise AssertionError(column)


def changed_rows(session: Session, template: Template, rows: list[dict[str, Any]], made: random.Random) -> list[Write]:
    """New values for rows of the source, in every column of its own that the rules copy."""
    side, cut = template.source, cut_by_a_step(template)
    schema = session.client(side.app).schema(side.entity)
    names = {name for rule in template.fields for name in rule.columns} - set(template.key) - AS_THEY_ARE
    columns = [schema.columns[name] for name in sorted(names & set(schema.columns))]
    columns = [one for one in columns if one.updatable and not one.targets and one.choices is None]

    def fresh() -> dict[str, Any]:
        return {one.name: value(made, one, 120 if one.name in cut else SHORT) for one in columns}

    return [Write("update", side.entity, {name: row[name] for name in schema.key}, fresh()) for row in rows]


def rows_of(session: Session, template: Template) -> list[dict[str, Any]]:
    """The keys of the rows to change: those of drafts, which alone can be edited, where the source are quotes."""
    side = template.source
    client = session.client(side.app)
    chosen = {"quotes": "statecode eq 0 and totalamount gt 0", "quotedetails": "quoteid/statecode eq 0"}
    key = client.schema(side.entity).key
    pages = client.read(Query(side.entity, key, filter=chosen.get(side.entity, side.filter)))
    rows: list[dict[str, Any]] = [row for page in pages for row in page.table.select(key).to_pylist()]
    return rows[:ROWS]


def change(session: Session, made: random.Random) -> None:
    """Give rows of every task new values, and make quotes of the drafts among them."""
    drafts = rows_of(session, packaged_template("quotes"))
    for task in reversed(TASKS):
        template = packaged_template(task)
        rows = drafts if task == "quotes" else rows_of(session, template)
        written = session.client(template.source.app).write(changed_rows(session, template, rows, made))
        assert all(one.ok for one in written), [one for one in written if not one.ok][:3]
    state = {"statecode": 1, "statuscode": 2}
    assert all(one.ok for one in session.sales.write([Write("update", "quotes", row, state) for row in drafts]))


def cut_by_a_step(template: Template) -> set[str]:
    """The columns whose texts a step cuts to what the destination takes; others are kept short."""
    steps = {name: [step.words for step in rule.apply] for rule in template.fields for name in rule.columns}
    return {name for name, words in steps.items() if any("truncate" in str(word) for word in words)}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("converges"))) as opened:
        yield opened


def agreed(session: Session, task: str) -> int:
    """How many rows were written by a load; all that passed the gate agree after it, and nothing is left to write."""
    loaded = TaskWalk(task, session, apply=True, ceiling=1.0)
    first = loaded.finish()
    assert (first.failed, first.drifted) == (0, 0), f"{first}: {loaded.apply()}"
    walked = TaskWalk(task, session, ceiling=1.0)
    second = walked.finish()
    left = walked.plan().rows.select(["key", "field", "before", "after"]).to_pylist()
    assert (second.created, second.updated, left) == (0, 0, []), f"seed {SEED}: {first}: {left[:9]}"
    assert second.passed == second.unchanged == first.passed
    return first.created + first.updated


def test_every_packaged_template_leaves_nothing_to_write(session: Session) -> None:
    change(session, random.Random(SEED))
    told = {task: agreed(session, task) for task in TASKS}
    print(f"\nseed {SEED}: {told}")
    assert min(told.values()) >= 5, f"the gate let too little through: {told}"


def answers(template: Template, at: int) -> dict[str, str]:
    """Answer number ``at`` to every option with so many beside its default; the last is a zone where one is asked."""
    found = {}
    for name, option in template.options.items():
        others = [choice for choice in option.choices if choice != option.default]
        others += ["Asia/Kathmandu"] if option.zone is not None else []
        if at < len(others):
            found[name] = others[at]
    return found


def test_every_answer_to_an_option_leaves_nothing_to_write(session: Session) -> None:
    session.workspace.templates.mkdir(exist_ok=True)
    for at in range(max(len(option.offers) for task in TASKS for option in packaged_template(task).options.values())):
        for task in TASKS:
            if chosen := answers(packaged_template(task), at):
                file = session.workspace.templates / f"{task}.yml"
                file.write_text(to_yaml(packaged_template(task).choose(**chosen)), "utf-8")
                agreed(session, task)
                file.unlink()


def test_a_column_as_it_is_kept_is_what_the_destination_gives_back(session: Session) -> None:
    made, schema = random.Random(SEED), session.finops.schema("CustomersV2")
    keys = [{"dataAreaId": "usmf", "CustomerAccount": f"KEPT-{n:03}"} for n in range(ROWS)]
    choice = schema.columns["IsExternallyMaintained"]
    spelt = pa.chunked_array([["Yes", "yes", "YES", "No", "nO", "1", "0", "maybe", None]])
    assert column_as_kept(spelt, choice, "finops").to_pylist() == [*["Yes"] * 3, "No", "No", "Yes", "No", "maybe", None]
    sent = {
        "OrganizationName": [text(made, 100) for _ in keys],
        "SalesMemo": [text(made, 120) for _ in keys],
    }
    rows = [keys[at] | {name: values[at] for name, values in sent.items()} for at in range(ROWS)]
    filled = {"CustomerGroupId": "10", "SalesCurrencyCode": "USD", "LanguageId": "en-us", "PartyType": "Organization"}
    written = session.finops.write([Write("create", "CustomersV2", None, row | filled) for row in rows])
    assert all(one.ok for one in written), [one for one in written if not one.ok][:3]
    found = {row["CustomerAccount"]: row for row in _read(session, "CustomersV2", ("CustomerAccount", *sent))}
    for name, values in sent.items():
        kept = column_as_kept(pa.chunked_array([values]), schema.columns[name], "finops").to_pylist()
        assert kept == [found[key["CustomerAccount"]][name] for key in keys], f"seed {SEED}: {name}"


def test_values_that_say_nothing_are_nothing() -> None:
    def kept(values: list[Any], kind: pa.DataType, app: str = "finops", edm: str = "Edm.String", **facts: Any) -> Any:
        return column_as_kept(
            pa.chunked_array([pa.array(values, kind)]), Column("x", edm, kind, **facts), app
        ).to_pylist()

    members, guid = {0: "None", 1: "Item"}, "D0000000-0000-4000-8000-0000000000AB"
    assert kept(["", " ", "item ", "x"], pa.string(), edm="Microsoft.Kind", choices=members) == [
        None,
        None,
        "Item",
        "x",
    ]
    assert kept(["", " ", f" {{{guid}}}", "x"], pa.string(), "sales", "Edm.Guid") == [None, None, guid.lower(), "x"]
    moments = [datetime(1900, 1, 1, 23, 59, 59, tzinfo=UTC), datetime(1900, 1, 2, 0, 0, 0, 5, tzinfo=UTC)]
    utc = pa.timestamp("us", "UTC")
    assert kept(moments, utc, edm="Edm.DateTimeOffset") == [None, datetime(1900, 1, 2, tzinfo=UTC)]
    assert kept(moments, utc, "sales", "Edm.DateTimeOffset")[0] == moments[0]


def _read(session: Session, entity_set: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    query = Query(entity_set, columns, filter="dataAreaId eq 'usmf' and CustomerAccount eq 'KEPT-*'")
    return [row for page in session.finops.read(query) for row in page.table.to_pylist()]


def test_a_price_moves_by_whatever_it_moved_in_fo(session: Session) -> None:
    number = rows_of(session, packaged_template("products"))[ROWS // 2]
    for price in (Decimal("0.0125"), Decimal("0.0155"), Decimal("0.0154")):
        (moved,) = session.finops.write([Write("update", "SellableReleasedProducts", number, {"SalesPrice": price})])
        assert moved.ok, moved
        TaskWalk("products", session, apply=True, ceiling=1.0).finish()
        query = Query("products", ("price",), filter=f"productnumber eq '{number['ProductNumber']}'")
        (row,) = [row for page in session.sales.read(query) for row in page.table.to_pylist()]
        assert row["price"] == price
