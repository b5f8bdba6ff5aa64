"""A plan holds exactly the differences, knows whom it was made for, and cannot be altered unnoticed."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import PlanAltered, PlanError, UnknownName
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping import Template
from p2c_lib.plan import Plan, open_plan, plan
from p2c_lib.reconcile import reconcile

ORIGIN = {
    "organisation": "org-1",
    "query": "",
    "key": ("CustomerAccount",),
    "read_at": datetime(2026, 1, 1, tzinfo=UTC),
    "server_count": None,
    "complete": True,
    "note": "",
}
SALES = Origin(app="sales", url="http://127.0.0.1:1", company=None, entity_set="accounts", **ORIGIN)
FINOPS = Origin(app="finops", url="http://127.0.0.1:2", company="usmf", entity_set="CustomersV2", **ORIGIN)

TEMPLATE = Template.model_validate(
    {
        "task": "accounts",
        "title": "Accounts",
        "source": {"app": "sales", "entity": "accounts"},
        "destination": {"app": "finops", "entity": "CustomersV2"},
        "key": {"accountnumber": "CustomerAccount"},
        "fields": [
            {"from": "accountnumber", "to": "CustomerAccount"},
            {"from": "name", "to": "OrganizationName"},
        ],
    }
)


def rows(**accounts: str | None) -> pa.Table:
    names, values = list(accounts), list(accounts.values())
    types = pa.schema([("CustomerAccount", pa.string()), ("OrganizationName", pa.string())])
    return pa.table({"CustomerAccount": names, "OrganizationName": values}, schema=types)


def made(folder: Path, mapped: pa.Table, there: pa.Table, **limits: int) -> Plan:
    expected = EntityFrame(mapped, SALES)
    actual = EntityFrame(
        there.append_column("@etag", pa.array([f"e{i}" for i in range(len(there))], pa.string())), FINOPS
    )
    counts = {"read": len(expected), "passed": len(expected), "quarantined": 0, "held": 0}
    gate: Any = SimpleNamespace(passed=expected, verdict="pass", why="all pass", counts=counts, suite_sha="s")
    return plan(reconcile(expected, actual, TEMPLATE), gate, folder=folder, **limits)


def test_a_missing_row_is_created_whole_and_a_changed_one_updated_in_its_changed_fields(tmp_path: Path) -> None:
    found = made(tmp_path, rows(A1="Adatum", A2="Bolt", A3="Core"), rows(A1="Adatum", A2="Bult", A9="Extra"))
    assert found.facts["counts"] == {
        "create": 1,
        "update": 1,
        "delete": 0,
        "unchanged": 1,
        "extra": 1,
        "duplicate": 0,
        "invalid": 0,
    }
    assert found.operations.select(["position", "op", "key", "etag", "changed", "before", "after"]).to_pylist() == [
        {
            "position": 0,
            "op": "create",
            "key": "a3",
            "etag": None,
            "changed": None,
            "before": None,
            "after": {"CustomerAccount": "A3", "OrganizationName": "Core"},
        },
        {
            "position": 1,
            "op": "update",
            "key": "a2",
            "etag": "e1",
            "changed": ["OrganizationName"],
            "before": {"CustomerAccount": "A2", "OrganizationName": "Bult"},
            "after": {"CustomerAccount": "A2", "OrganizationName": "Bolt"},
        },
    ]


def test_a_plan_on_disk_is_the_plan(tmp_path: Path) -> None:
    saved = made(tmp_path, rows(A1="Adatum"), rows())
    again = open_plan(saved.folder)
    assert (again.id, again.facts, again.operations.equals(saved.operations)) == (saved.id, saved.facts, True)


def test_two_frames_that_agree_give_an_empty_plan(tmp_path: Path) -> None:
    assert len(made(tmp_path, rows(A1="Adatum"), rows(a1="Adatum"))) == 0


@given(st.data())
def test_a_plan_with_any_byte_changed_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    saved = made(tmp_path_factory.mktemp("plan"), rows(A1="Adatum", A2="Bolt"), rows(A2="Bult"))
    file = saved.folder / data.draw(st.sampled_from(["plan.json", "operations.parquet"]))
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(bytes(content))
    with pytest.raises(PlanAltered):
        saved.verify()


def test_a_folder_without_a_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="There is no plan in"):
        open_plan(tmp_path)


def test_the_plan_shows_what_it_would_write_with_customer_text_escaped(tmp_path: Path) -> None:
    html = made(tmp_path, rows(A1="<script>x</script>"), rows())._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def narrow(folder: Path) -> Plan:
    ours = rows(A1="Adatum", A2="Bolt", A3="Core", A4="dot ")
    return made(folder, ours, rows(A2="BOLT", A4="Dash", A9="Extra"))


def ops(found: Plan) -> list[tuple[str, str]]:
    return [(row["op"], row["key"]) for row in found.operations.to_pylist()]


def test_a_plan_is_narrowed_to_a_new_plan_with_its_own_hash(tmp_path: Path) -> None:
    whole = narrow(tmp_path)
    assert ops(whole) == [("create", "a1"), ("create", "a3"), ("update", "a2"), ("update", "a4")]
    part = whole.only(keys=["A3", " a4 "])
    assert ops(part) == [("create", "a3"), ("update", "a4")]
    assert (part.id != whole.id, part.facts["narrowed_from"]) == (True, whole.id)
    assert (part.creates, part.updates, part.operations.column("position").to_pylist()) == (1, 1, [0, 1])
    assert open_plan(part.folder).id == part.id
    assert ops(whole.without(ops=["create"])) == [("update", "a2"), ("update", "a4")]
    assert ops(whole.only(causes=["case"])) == [("update", "a2")]
    assert ops(whole.without(causes=["case"])) == [("create", "a1"), ("create", "a3"), ("update", "a4")]
    assert ops(whole.without(keys=["a1"], ops=["update"])) == ops(whole)
    assert whole.without(fields=["OrganizationName"]).updates == 0
    assert "only keys A3" in part.report().to_text()


def test_a_choice_that_fits_nothing_is_named(tmp_path: Path) -> None:
    whole = narrow(tmp_path)
    with pytest.raises(UnknownName, match="Unknown key of this plan 'a7'"):
        whole.only(keys=["a7"])
    with pytest.raises(UnknownName, match="Unknown op of this plan 'upsert'"):
        whole.without(ops=["upsert"])
    with pytest.raises(PlanError, match="Nothing was chosen"):
        whole.only()


def test_every_written_field_is_a_line(tmp_path: Path) -> None:
    assert narrow(tmp_path).only(keys=["a1", "a2"]).rows.drop_columns(["position"]).to_pylist() == [
        line("create", "a1", "CustomerAccount", None, "A1", "missing"),
        line("create", "a1", "OrganizationName", None, "Adatum", "missing"),
        line("update", "a2", "OrganizationName", "BOLT", "Bolt", "case"),
    ]


def line(*values: str | None) -> dict[str, str | None]:
    return dict(zip(("op", "key", "field", "before", "after", "cause"), values, strict=True))


def test_a_plan_foretells_requests_and_minutes_and_says_what_it_leaves_alone(tmp_path: Path) -> None:
    found = narrow(tmp_path)
    assert found.facts["predicted"] == {
        "requests": 2,
        "minutes": 0.0,
        "rows_per_second": 20.0,
        "measured": False,
        "routes": {"create": "$batch", "update": "$batch", "delete": "$batch"},
    }
    assert found.facts["left_alone"] == [{"rows": 1, "why": "stand only at the destination"}]
    assert "about 2" in found.report().to_text()


@pytest.mark.parametrize("text", ["[]", "[1]", "3", '"plan"', "null", "{}"])
def test_a_file_that_holds_other_json_is_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    (tmp_path / "operations.parquet").write_bytes(b"")
    with pytest.raises(PlanError):
        open_plan(tmp_path)
