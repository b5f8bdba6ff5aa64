"""Templates as files: YAML that reads back, maps of other tools in and out, documents to hand over, differences."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import TemplateError
from p2c_lib.mapping import FieldRule, packaged_tasks, parse, template
from p2c_lib.mapping.document import diff, export, to_markdown, to_yaml
from p2c_lib.mapping.exchange import import_map, rule_parts, to_dual_write, transforms_of
from p2c_lib.sheets import write_workbook


@pytest.mark.parametrize("task", packaged_tasks())
def test_a_template_written_as_yaml_reads_back_the_same(task: str) -> None:
    made = template(task)
    assert parse(to_yaml(made)).to_dict() == made.to_dict()


def test_yaml_keeps_words_that_look_like_something_else() -> None:
    made = template("quotes").with_rule(FieldRule(to="DeliveryAddressName", default="No"))
    made = made.with_rule(FieldRule(to="DeliveryAddressDescription", default="010"))
    again = parse(to_yaml(made))
    assert [again.rule(name).default for name in ("DeliveryAddressName", "DeliveryAddressDescription")] == ["No", "010"]  # type: ignore[union-attr]


@given(st.text(max_size=30))
def test_any_text_may_be_a_default_in_yaml(text: str) -> None:
    made = template("quotes").with_rule(FieldRule(to="DeliveryAddressName", default=text))
    plain = "".join(sign for sign in text if sign.isprintable() or sign in "\t\n")
    if plain == text:
        assert parse(to_yaml(made)).rule("DeliveryAddressName").default == text  # type: ignore[union-attr]


def test_markdown_lists_every_rule_value_map_and_open_question() -> None:
    text = to_markdown(template("contacts"))
    assert "| 4 | gendercode | Fn | value_map: {1: 'Male', 2: 'Female'}, default Unknown | Gender |" in text
    assert "| MaritalStatus | 4 | Widowhood |" in text
    assert "| direct_mail |" in text


def cells(path: Path, sheet: int) -> list[list[str]]:
    rows = openpyxl.load_workbook(path).worksheets[sheet - 1].iter_rows(values_only=True)
    return [["" if value is None else str(value) for value in row] for row in rows]


def test_the_workbook_holds_the_mapping_row_for_row(tmp_path: Path) -> None:
    made = template("products")
    near = made.compare.model_copy(update={"tolerance": {"price": Decimal("0.005")}})
    path = export(made.model_copy(update={"compare": near}), tmp_path / "products.xlsx")
    rows = cells(path, 1)
    assert rows[0] == ["no", "source", "map", "steps", "destination", "must exist in", "compared"]
    assert rows[6] == ["6", "SalesPrice", "=", "copy", "price", "", "within 0.005"]
    assert len(rows) == 13
    assert cells(path, 2)[1] == ["defaultuomid.name", "ea", "Each"]


def test_the_workbook_opens_with_a_frozen_filtered_head_on_every_sheet(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(export(template("accounts"), tmp_path / "a.xlsx"))
    assert book.sheetnames == ["Mapping", "Value maps", "Open questions", "Task"]
    for sheet in book.worksheets:
        assert (sheet.freeze_panes, sheet.auto_filter.ref.split(":")[0]) == ("A2", "A1")
        assert all(cell.font.bold for cell in sheet[1])


def test_text_that_looks_like_a_formula_is_defused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "x.xlsx", {"S": [("a",), ("=HYPERLINK(1)",), ("@x",), ("plain & <b>\x00",)]})
    assert [row[0] for row in cells(path, 1)] == ["a", "'=HYPERLINK(1)", "'@x", "plain & <b>"]


def test_a_form_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"cannot be written as '\.doc'"):
        export(template("accounts"), tmp_path / "x.doc")


def test_a_difference_names_the_rule_and_both_sides() -> None:
    before = template("quotes")
    text = str(diff(before, before.choose(delivery_address="published")))
    assert "field DeliveryAddressZipCode\n  - {from: shipto_postalcode}\n  + {from: billto_postalcode}" in text
    assert "chosen.delivery_address\n  + published" in text
    assert str(diff(before, before)) == "The same."


MAP: dict[str, Any] = {
    "name": "Customers V3 (accounts)",
    "legs": [
        {
            "sourceSchema": "Customers V2",
            "destinationSchema": "accounts",
            "sourceFilter": '(PartyType == "Organization")',
            "fieldMappings": [
                {"sourceField": "CUSTOMERACCOUNT", "destinationField": "accountnumber", "syncDirection": 3},
                {
                    "sourceField": "CREDITRATING",
                    "destinationField": "statecode",
                    "syncDirection": 3,
                    "valueTransforms": [{"transformType": "ValueMap", "valueMap": {"yes": "0", "no": "1", "": "2"}}],
                },
                {"sourceField": "X", "destinationField": "", "syncDirection": 1},
                {
                    "sourceField": "",
                    "destinationField": "name",
                    "syncDirection": 1,
                    "valueTransforms": {"transformType": "Default", "defaultValue": "n"},
                },
                {"sourceField": "Y", "destinationField": "y", "syncDirection": 2},
                {"sourceField": "Z", "destinationField": "z", "isSystemGenerated": True},
                {"sourceField": "W", "destinationField": "w", "valueTransforms": [{"transformType": "Strange"}]},
            ],
        }
    ],
}  # fmt: skip


def test_a_dual_write_map_becomes_a_template_to_begin_with() -> None:
    made = import_map(json.dumps(MAP), task="customers")
    assert [(r.paths, r.to, r.default) for r in made.template.fields] == [
        (("CUSTOMERACCOUNT",), "accountnumber", None),
        (("CREDITRATING",), "statecode", None),
        ((), "name", "n"),
        (("W",), "w", None),
    ]
    assert made.template.fields[1].apply[0].arguments == {"pairs": {"yes": "0", "no": "1", None: "2"}}
    assert made.template.key == {"CUSTOMERACCOUNT": "accountnumber"}
    assert (made.template.source.app, made.template.destination.app) == ("finops", "sales")
    assert sorted(note.split(":")[0] for note in made.notes) == ["W -> w", "X -> none", "Y -> y", "Z -> z", "key"]


def test_a_two_way_map_reads_backwards_with_its_value_maps_turned() -> None:
    made = import_map(json.dumps(MAP), task="customers", direction="back", key={"accountnumber": "CUSTOMERACCOUNT"})
    assert [(r.paths, r.to) for r in made.template.fields] == [
        (("accountnumber",), "CUSTOMERACCOUNT"),
        (("statecode",), "CREDITRATING"),
        (("y",), "Y"),
    ]
    assert made.template.fields[1].apply[0].arguments == {"pairs": {"0": "yes", "1": "no", "2": None}}


@pytest.mark.parametrize("task", ["products", "quote-lines", "quotes"])
def test_a_template_goes_out_as_a_dual_write_map_and_comes_back(task: str) -> None:
    made = template(task)
    text = to_dual_write(made)
    again = import_map(text, task=task, key=dict(made.key)).template
    assert [(r.paths, r.to, r.default) for r in again.fields] == [
        (r.paths, r.to, None if r.default is None else str(r.default).lower() if r.default is True else str(r.default))
        for r in made.fields
    ]
    # What the gate reads is no part of a map.
    sides = [(one.source_side, one.source.key, one.destination.entity) for one in (again, made)]
    assert sides[0] == sides[1]
    assert [note.split(":")[0] for note in json.loads(text)["notes"]] == [
        r.to for r in made.fields for step in r.apply if step.name == "trim"
    ]


def test_the_documented_transform_lists_are_read_and_written() -> None:
    documented: list[list[dict[str, Any]]] = [
        [{"transformType": "Default", "defaultValue": "standard"}],
        [{"transformType": "ValueMap", "valueMap": {"0": "Active", "1": "Inactive"}}],
        [{"transformType": "ValueMap", "valueMap": {"0": None}}],
    ]
    for transforms in documented:
        notes: list[str] = []
        rule = FieldRule.model_validate({"from": "a", "to": "b", **rule_parts(transforms, notes, "x")})
        assert (transforms_of(rule), notes) == (transforms, [])


@pytest.mark.parametrize(
    "odd",
    [
        {"sourceField": "a b(c)", "destinationField": "d"},
        {"sourceField": "a", "destinationField": "d", "syncDirection": "both"},
        {"sourceField": "a", "destinationField": "d", "valueTransforms": ["x"]},
        {"sourceField": "a", "destinationField": "d", "valueTransforms": 5},
        {"sourceField": "a", "destinationField": "d", "valueTransforms": [{"transformType": "ValueMap"}]},
        {
            "sourceField": "a",
            "destinationField": "d",
            "valueTransforms": [{"transformType": "Truncate", "length": "x"}],
        },
        {"sourceField": None, "destinationField": None},
    ],
    ids=str,
)
def test_what_a_map_has_that_is_not_understood_becomes_a_note(odd: dict[str, Any]) -> None:
    leg = {
        "sourceSchema": "X",
        "destinationSchema": "y",
        "fieldMappings": [{"sourceField": "k", "destinationField": "k"}, odd],
    }
    made = import_map(json.dumps({"legs": [leg]}), task="x", key={"k": "k"})
    assert len(made.notes) == 1


def test_a_bare_list_of_field_mappings_needs_to_be_told_its_entities() -> None:
    text = json.dumps(MAP["legs"][0]["fieldMappings"])
    made = import_map(text, task="x", entities=("CustomersV2", "accounts")).template
    assert (made.source.entity, made.destination.entity) == ("CustomersV2", "accounts")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "no JSON"),
        ("[1]", "no leg 0"),
        ("{}", "no leg 0"),
        ('{"legs": [{"fieldMappings": []}]}', "sourceSchema and destinationSchema"),
        ('{"legs": [{"sourceSchema": "A", "destinationSchema": "b", "fieldMappings": []}]}', "no field"),
    ],
)
def test_text_that_is_no_map_is_refused_in_words(text: str, word: str) -> None:
    with pytest.raises(TemplateError, match=word):
        import_map(text, task="x")
