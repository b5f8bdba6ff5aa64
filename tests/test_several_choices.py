"""Several choices (multi-select) are columns like others; what else hides behind Virtual is told by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.frames import EntityFrame
from p2c_lib.mapping import map_frame
from p2c_lib.mapping.mapped import column_type
from p2c_lib.mapping.transforms.codes import value_map
from p2c_lib.mapping.validation import _members
from p2c_lib.odata import Client, Column, Query, Write
from p2c_lib.odata.bodies import render
from p2c_lib.odata.literals import literal
from p2c_lib.odata.schema import several_text
from p2c_lib.odata.stored import keeps
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from tests.conftest import Sales
from tests.mapping_frames import desk_for, frame, small
from tests.test_numbers import ORIGIN
from tests.wired import sales_client

INTERESTS = "new_interests"
ROAD, MOUNTAIN, CLOTHING = 100000000, 100000001, 100000002


def created(client: Client, **body: object) -> Any:
    (done,) = client.write([Write("create", "accounts", None, {"name": "A", **body})])
    return done


def read(client: Client, **query: Any) -> list[Any]:
    asked = Query("accounts", ("name", INTERESTS), **query)
    return [row[INTERESTS] for page in client.read(asked) for row in page.table.to_pylist()]


def test_several_choices_are_a_column_with_labels(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        column = client.schema("accounts").column(INTERESTS)
        assert (column.several, column.edm, column.type, column.label) == (True, "Edm.String", pa.string(), "Interests")
        assert column.choices is not None
        assert column.choices[CLOTHING] == "Clothing"
        assert column.label_of(f"{ROAD},{CLOTHING}") == "Road bikes; Clothing"


def test_they_are_written_read_emptied_and_filtered(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        assert created(client, new_interests=f"{CLOTHING},{ROAD},{CLOTHING}").error is None
        assert created(client, new_interests=[MOUNTAIN]).error is None
        assert created(client).error is None
        assert sorted(read(client), key=str) == [f"{ROAD},{CLOTHING}", f"{MOUNTAIN}", None]
        holds = "Microsoft.Dynamics.CRM.{}(PropertyName='new_interests',PropertyValues=['100000000','100000001'])"
        both = holds.format("ContainValues")
        assert sorted(read(client, filter=both)) == [f"{ROAD},{CLOTHING}", f"{MOUNTAIN}"]
        assert read(client, filter=holds.format("DoesNotContainValues")) == [None]
        page = next(iter(client.read(Query("accounts", ("name",), filter=both))))
        key = {"accountid": page.table.column("@id")[0].as_py()}
        assert client.write([Write("update", "accounts", key, {INTERESTS: None})])[0].error is None
        assert sorted(read(client), key=str)[1:] == [None, None]
        assert "100000009" in str(created(client, new_interests="100000009").error)


def test_a_table_of_rows_is_written_too(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        rows = pa.table({"name": ["A", "B"], INTERESTS: [f"{ROAD},{MOUNTAIN}", None]})
        assert [done.error for done in client.write_table("create", "accounts", rows)] == [None, None]
        assert sorted(read(client), key=str) == [f"{ROAD},{MOUNTAIN}", None]


SPELLINGS: list[Any] = [
    f"{CLOTHING},{ROAD}", f" {ROAD} , {CLOTHING}", [CLOTHING, ROAD], [str(ROAD), CLOTHING, ROAD], (ROAD, CLOTHING),
    {ROAD, CLOTHING}, np.array([CLOTHING, ROAD]),
]  # fmt: skip
LISTS = [
    pa.array([[CLOTHING, ROAD], [], None, [MOUNTAIN, None]], pa.list_(pa.int64())),
    pa.array([[str(CLOTHING), str(ROAD)], [], None, [str(MOUNTAIN)]], pa.large_list(pa.string())),
    pa.array([f"{CLOTHING}, {ROAD},{ROAD}", "", None, str(MOUNTAIN)]),
    pa.array([f"{CLOTHING},{ROAD}", " ", None, str(MOUNTAIN)]).dictionary_encode(),
]


def test_every_spelling_of_several_choices_is_one_value(store: Store, portal: BlockingPortal) -> None:
    """In what is written by values, in what rows are asked for by, and in what a write is held to be."""
    both = f"{ROAD},{CLOTHING}"
    with sales_client(store, portal) as client:
        column = client.schema("accounts").column(INTERESTS)
        row_id = created(client).row_id
        for spelt in SPELLINGS:
            for value, held in ((spelt, both), ([], None), (spelt, both), (None, None), (spelt, both), ("", None)):
                (done,) = client.write([Write("update", "accounts", {"accountid": row_id}, {INTERESTS: value})])
                assert (done.error, read(client)) == (None, [held])
                assert keeps(value, held, column, "sales")
                write = Write("update", "accounts", {"accountid": row_id}, {INTERESTS: value})
                assert client._settle(client.schema("accounts"), [(write, row_id)]) == [True]
            assert not keeps(spelt, f"{ROAD}", column, "sales")
            assert literal(spelt, column) == f"'{both}'"
        client.write([Write("update", "accounts", {"accountid": row_id}, {INTERESTS: both})])
        for spelt in SPELLINGS:
            pages = client.read_among(Query("accounts", ("name",)), [{INTERESTS: spelt}])
            assert [page.table.num_rows for page in pages] == [1]
        for nobody in ([], None, [MOUNTAIN]):
            assert (
                sum(p.table.num_rows for p in client.read_among(Query("accounts", ("name",)), [{INTERESTS: nobody}]))
                == 0
            )


@pytest.mark.parametrize("values", LISTS, ids=lambda values: str(values.type))
def test_lists_of_choices_are_written_as_columns(values: pa.Array, store: Store, portal: BlockingPortal) -> None:
    held = [f"{ROAD},{CLOTHING}", None, None, f"{MOUNTAIN}"]
    with sales_client(store, portal) as client:
        rows = pa.table({"name": list("abcd"), INTERESTS: values})
        assert [done.error for done in client.write_table("create", "accounts", rows)] == [None] * 4
        pages = client.read(Query("accounts", ("name", INTERESTS)))
        there = {row["name"]: row for page in pages for row in page.table.to_pylist()}
        assert [there[name][INTERESTS] for name in "abcd"] == held
        ids = [there[name]["@id"] for name in "dcba"]
        done = client.write_table(
            "update", "accounts", pa.table({"accountid": ids, INTERESTS: values}), key=["accountid"]
        )
        assert [each.error for each in done] == [None] * 4
        pages = client.read(Query("accounts", ("name", INTERESTS)))
        there = {row["name"]: row for page in pages for row in page.table.to_pylist()}
        assert [there[name][INTERESTS] for name in "dcba"] == held


def test_what_is_not_supported_is_told_by_name(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        schema = client.schema("accounts")
        with pytest.raises(
            UnknownName, match="entityimage in sales accounts is an image column, which is not supported"
        ):
            schema.column("entityimage")
        with pytest.raises(UnknownName, match=r"new_contract .* is a file column"):
            client.write([Write("create", "accounts", None, {"new_contract": "x"})])
        assert "entityimage" not in schema.columns
        with pytest.raises(UnknownName, match="Unknown column 'entityimages'"):
            schema.column("entityimages")
        made = small("{from: name, to: entityimage}")
        with pytest.raises(TemplateError, match="is an image column"):
            column_type(schema, made.fields[1], 1)


def test_the_service_says_what_they_are(sales: Sales) -> None:
    where = "EntityDefinitions(LogicalName='account')/Attributes"
    kind = "Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata"
    (found,) = sales.client.get(f"{where}/{kind}?$select=LogicalName&$expand=OptionSet,GlobalOptionSet").json()["value"]
    assert [option["Value"] for option in found["OptionSet"]["Options"]][:2] == [ROAD, MOUNTAIN]
    base = sales.client.get(f"{where}?$select=LogicalName,SchemaName,AttributeType,AttributeTypeName").json()["value"]
    told = {row["LogicalName"]: row for row in base}
    assert told[INTERESTS]["AttributeType"] == "Virtual"
    assert told[INTERESTS]["AttributeTypeName"] == {"Value": "MultiSelectPicklistType"}
    assert told[INTERESTS]["SchemaName"] == "new_Interests"
    assert told["entityimage"]["AttributeTypeName"] == {"Value": "ImageType"}
    assert told["new_contract"]["AttributeTypeName"] == {"Value": "FileType"}
    assert b'<Property Name="new_interests" Type="Edm.String"' in sales.client.get("$metadata").content
    sales.create("accounts", name="A", new_interests=f"{CLOTHING},{ROAD}")
    labels = {"Prefer": 'odata.include-annotations="*"'}
    row = sales.client.get("accounts?$select=new_interests", headers=labels).json()["value"][0]
    assert row[f"{INTERESTS}@OData.Community.Display.V1.FormattedValue"] == "Road bikes; Clothing"
    refused = sales.client.get(
        "accounts?$filter=Microsoft.Dynamics.CRM.ContainValues(PropertyName='name',PropertyValues=['1'])"
    )
    assert refused.status_code == 400


def test_an_older_state_gets_the_column(tmp_path: Any) -> None:
    accounts = entities("sales")["accounts"]
    older = replace(accounts, columns={n: c for n, c in accounts.columns.items() if n != INTERESTS})
    Store(tmp_path / "s.db", [older]).close()
    store = Store(tmp_path / "s.db", [accounts])
    with store.write():
        record = store.insert(accounts, {"accountid": "1", "name": "A", INTERESTS: "1"})
    assert store.value(accounts, INTERESTS, {"_id": record}) == "1"
    store.close()


COLUMN = Column("picks", "Edm.String", pa.string(), choices={1: "Red", 2: "Blue", 10: "Green"}, several=True)


def test_the_text_form_is_in_the_order_of_the_numbers() -> None:
    assert several_text(["10", 2, " 1", 2]) == "1,2,10"
    assert several_text([]) is None
    assert [render(value, COLUMN) for value in ([2, 1], "2,1", ())] == ['"1,2"', '"1,2"', "null"]


def mapped(fields: str, rows: list[str | None]) -> Any:
    made = small(fields).model_copy()
    desk = desk_for(made)
    schema = desk.schemas["CustomersV2"]
    desk.schemas["CustomersV2"] = replace(schema, columns={**schema.columns, "picks": COLUMN})
    return map_frame(frame(made, {"id": [str(n) for n in range(len(rows))], "name": rows}), made, desk)


def test_several_choices_are_mapped_in_order_and_what_is_none_of_them_is_rejected() -> None:
    done = mapped("{from: name, to: picks}", ["2,1", None, " ", "10, 2 ,2", "1,7"])
    assert done.frame.table.column("picks").to_pylist() == ["1,2", None, None, "2,10"]
    (line,) = done.rejected.to_pylist()
    assert line["reason"] == "'7' is no choice of picks; allowed: 1 (Red), 2 (Blue), 10 (Green)"


def test_a_value_map_with_a_separator_replaces_each_part() -> None:
    fields = '{from: name, to: picks, apply: [{value_map: {rot: 1, blau: 2, nichts: null}, separator: ","}]}'
    done = mapped(fields, ["Blau, rot", "nichts", None, "rot,rosa"])
    assert done.frame.table.column("picks").to_pylist() == ["1,2", None, None]
    assert done.rejected.column("reason").to_pylist() == ["'rot,rosa' has a part that is not in the value map"]
    whole = value_map(pa.chunked_array([["a;b"], ["b"]]), {"a": "x", "b": "y"}, separator=";").values
    assert whole.to_pylist() == ["x;y", "y"]


def test_validation_holds_constants_and_value_maps_against_the_choices() -> None:
    rules = small('{to: picks, default: "1,7"}, {from: name, to: other, apply: [{value_map: {a: "2,10"}}]}').fields
    wrong = [finding.message for rule in rules[1:] for finding in _members("fields", rule, COLUMN)]
    assert wrong == ["'7' is no member of picks."]


def test_frames_show_their_labels() -> None:
    frame_ = EntityFrame(pa.table({"picks": ["1,2", None, "7"]}), ORIGIN)
    labelled = replace(frame_, schema=replace_schema())
    assert labelled.labels("picks").to_pylist() == ["Red; Blue", None, "7"]
    assert "Red; Blue" in labelled._repr_html_()


def replace_schema() -> Any:
    from p2c_lib.odata import EntitySchema

    return EntitySchema("sales", "things", "thing", ("picks",), {"picks": COLUMN})
