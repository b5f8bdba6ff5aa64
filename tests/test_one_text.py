"""Wherever a value becomes text it is the same text: in transforms, on the wire, in files, in reasons, in plans."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from p2c_lib.display import texts
from p2c_lib.gates.sentence import sentences
from p2c_lib.keys import RowKey
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.transforms import text as steps
from p2c_lib.mapping.transforms.codes import value_map
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import FINOPS, SALES
from p2c_lib.odata.encode import members_of
from p2c_lib.odata.literals import literal
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.writes import Write
from p2c_lib.plan.operations import field_texts
from p2c_lib.sheets import write_sheet

# One number in several types, and its text.
NUMBERS = [
    (pa.array([Decimal("1E-7"), None], pa.decimal128(38, 10)), "0.0000001"),
    (pa.array([1e-7, None]), "0.0000001"),
    (pa.array([1e20, None]), "100000000000000000000"),
    (pa.array([Decimal(10**20), None], pa.decimal256(60, 12)), "100000000000000000000"),
    (pa.array([Decimal("100.0000"), None], pa.decimal64(10, 4)), "100"),
    (pa.array([100.0, None]), "100"),
    (pa.array([100, None], pa.uint8()), "100"),
    (pa.array([-0.0, None]), "0"),
    (pa.array([Decimal("0.10"), None]).cast(pa.decimal128(4, 2)).dictionary_encode(), "0.1"),
]
AMOUNT = Column("amount", "Edm.Decimal", pa.decimal128(38, 10))
SCHEMA = EntitySchema("finops", "Lines", "Line", ("amount",), {"amount": AMOUNT}, {}, ())


def body(values: pa.Array) -> str:
    return Bodies(SCHEMA, FINOPS, str).json(Write("update", "Lines", None, {"amount": values[0].as_py()}))


def columns(values: pa.Array) -> str:
    table = pa.table({"amount": values})
    return str(members_of(table, SALES, Bodies(SCHEMA, SALES, str), creating=False)[0].as_py())


PLACES: dict[str, Callable[[pa.Array], object]] = {
    "transform": lambda values: steps.trim(values).values[0].as_py(),
    "text column": lambda values: cast(values, pa.string()).values[0].as_py(),
    "value map": lambda values: value_map(values, {Decimal(texts(values)[0].as_py()): "a"}).values[0].as_py(),
    "reason": lambda values: sentences("{v}", {"v": values}, 2)[0].as_py(),
    "key": lambda values: RowKey(("k",), "finops").texts(pa.table({"k": values}))[0].as_py(),
    "plan": lambda values: field_texts(pa.StructArray.from_arrays([values], ["v"]), "v")[0].as_py(),
    "filter": lambda values: literal(values[0].as_py(), AMOUNT),
    "body": body,
    "bodies of a table": columns,
}


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize(("values", "text"), NUMBERS, ids=[f"{v.type}" for v, _ in NUMBERS])
def test_a_number_has_one_text(place: str, values: pa.Array, text: str) -> None:
    wanted = {"body": f'{{"amount":{text}}}', "bodies of a table": f',"amount":{text}', "value map": "a"}
    assert PLACES[place](values) == wanted.get(place, text)


def test_a_sheet_holds_the_same_texts_and_quotes_no_number(tmp_path: Path) -> None:
    table = pa.table({f"c{n}": values for n, (values, _) in enumerate(NUMBERS)} | {'a "b"': ['=1+1, "x"', None]})
    path = write_sheet(table, tmp_path / "sheet.csv")
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8"), newline="")))
    assert rows[0] == table.column_names
    assert rows[1] == [*(text for _, text in NUMBERS), '\'=1+1, "x"']
    assert rows[2] == [""] * table.num_columns
    assert path.read_text("utf-8").splitlines()[1].startswith("0.0000001,0.0000001,100000000000000000000,")


def test_a_default_and_a_value_map_take_numbers_and_truths_by_their_value() -> None:
    truths = value_map(pa.array([True, False]), {True: 1.0, False: Decimal("2.50")})
    assert truths.values.to_pylist() == ["1", "2.5"]
    assert value_map(pa.array(["1", "2.5"]), {1.0: "a", Decimal("2.50"): "b"}).values.to_pylist() == ["a", "b"]
