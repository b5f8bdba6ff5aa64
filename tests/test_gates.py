"""The gate over small hand-made rows: who passes, who is set aside and why, who waits."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.errors import FrameError, SuiteError
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.gates import check
from p2c_lib.gates.documents import write_docs
from p2c_lib.mapping import template

REFERENCES = {
    "Currencies.CurrencyCode": ("USD", "EUR"),
    "AddressCountryRegions.ISOcode": ("US", "DE"),
    "UnitsOfMeasure.UnitSymbol": ("ea",),
    "SellableReleasedProducts.ProductNumber": ("P-1",),
    "quotedetails.quoteid.quotenumber": ("Q-1",),
}
MONEY = ("totalamount", "totalamountlessfreight", "freightamount", "totaltax", "discountpercentage")
MONEY_OF_LINES = ("extendedamount", "baseamount", "tax", "manualdiscountamount")
SOURCES: dict[str, dict[str, Any]] = {
    "quotes": {
        "quotenumber": "Q-1",
        "name": "Bikes",
        "statecode": 1,
        "msdynce_hasexternallymaintainedproductsonly": True,
        "customerid.account.accountnumber": "C-1",
        "customerid.account.statecode": 0,
        "customerid.contact.msdynce_contactnumber": None,
        "customerid.contact.statecode": None,
        "customerid.contact.msdynce_isactivecustomer": None,
        "requestdeliveryby": datetime(2026, 5, 1, tzinfo=UTC),
        **dict.fromkeys(MONEY, Decimal("0.00")),
    },
    "quote-lines": {
        "quoteid.quotenumber": "Q-1",
        "quoteid.statecode": 1,
        "productid.productnumber": "P-1",
        "productid.msdynce_ismaintainedexternally": True,
        "productid.statecode": 0,
        "requestdeliveryby": datetime(2026, 5, 1, tzinfo=UTC),
        **dict.fromkeys(MONEY_OF_LINES, Decimal("0.00")),
    },
}
REJECTED = pa.schema([*((c, pa.string()) for c in ("number", "field", "value", "reason")), ("@row", pa.int64())])
NOTHING_REJECTED = REJECTED.empty_table()


def frame(rows: dict[str, Any], key: tuple[str, ...]) -> EntityFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    origin = Origin("sales", "http://127.0.0.1", "org", None, "quotes", "", key, at, None, complete=True, note="")
    table = pa.table(rows)
    return EntityFrame(table.append_column("@row", pa.array(range(table.num_rows), pa.int64())), origin)


def mapped(
    rows: dict[str, Any], task: str, *, rejected: pa.Table = NOTHING_REJECTED, read: int | None = None, **came: Any
) -> Any:
    """Mapped rows of a task, and the clean source rows they came from but for the columns named in ``came``."""
    made = template(task)
    shaped = frame(rows, tuple(made.key.values()))
    count = len(shaped) if read is None else read
    given = {name: came.get(name, [value] * count) for name, value in SOURCES[task].items()}
    source = frame(given, ())
    lost = rejected
    if "number" in lost.column_names:
        for name in made.key.values():
            lost = lost.append_column(name, lost.column("number"))
        lost = lost.drop_columns(["number"])
    return SimpleNamespace(frame=shaped, source=source, rejected=lost, template=made, references=REFERENCES)


def quotes(**columns: Any) -> dict[str, Any]:
    count = len(columns["SalesQuotationNumber"])
    rest = {
        "RequestingCustomerAccountNumber": ["C-1"] * count,
        "CurrencyCode": ["USD"] * count,
        "SalesQuotationName": ["Bikes"] * count,
        "DeliveryAddressCountryRegionISOCode": ["US"] * count,
        "DeliveryAddressStreet": ["1 Main Street"] * count,
        "DeliveryAddressCity": ["Bothell"] * count,
        "DeliveryAddressZipCode": ["98011"] * count,
        "QuotationTotalAmount": [Decimal("10.00")] * count,
    }
    return rest | columns


def write_suite(folder: Path, *rules: dict[str, Any], name: str = "own") -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "expectations": list(rules), "meta": {}}))
    return path


def adds_up(result: Any) -> bool:
    counts = result.counts
    return counts["read"] == counts["passed"] + counts["quarantined"] + counts["held"]


def test_a_currency_the_destination_lacks_is_set_aside_in_words() -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-2", "Q-3"], CurrencyCode=["USD", "DEM", "EUR"])
    result = check(mapped(rows, "quotes"), "quotes", ceiling=0.5)
    assert result.quarantined.to_pylist() == [
        {
            "key": "q-2",
            "rule": "CurrencyCode exists in F&O",
            "column": "CurrencyCode",
            "value": "DEM",
            "severity": "critical",
            "reason": "Currency DEM does not exist in F&O",
        }
    ]
    assert dict(result.counts) == {"read": 3, "passed": 2, "quarantined": 1, "held": 0, "warnings": 0}
    assert result.verdict == "warn"
    assert result.why == (
        "1 of 3 rows are set aside (33.3%): 1 x Currency DEM does not exist in F&O. 2 of 3 rows may load."
    )
    assert result.passed.table.column("SalesQuotationNumber").to_pylist() == ["Q-1", "Q-3"]


def test_clean_rows_pass() -> None:
    result = check(mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes"), "quotes")
    assert (result.verdict, result.why) == ("pass", "1 of 1 rows may load.")
    assert set(result.rules.column("outcome").to_pylist()) == {"holds"}


def test_every_broken_rule_of_a_row_is_named_and_the_row_counts_once() -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-1", "X" * 21], CurrencyCode=["DEM", "USD", "USD"])
    result = check(mapped(rows, "quotes"), "quotes", ceiling=1)
    assert [(r["key"], r["column"]) for r in result.quarantined.to_pylist()] == [
        ("x" * 21, "SalesQuotationNumber"),
        ("q-1", "SalesQuotationNumber"),
        ("q-1", "SalesQuotationNumber"),
        ("q-1", "CurrencyCode"),
    ]
    assert result.counts["quarantined"] == 3


def test_a_row_without_a_key_is_named_by_its_place() -> None:
    result = check(mapped(quotes(SalesQuotationNumber=["Q-1", None]), "quotes"), "quotes", ceiling=1)
    assert result.quarantined.column("key").to_pylist() == ["row 1 (no key)"]
    assert adds_up(result)


def test_rows_wait_for_parents_set_aside() -> None:
    lines = {
        "SalesQuotationNumber": ["Q-1", "q-2 ", "Q-2"],
        "LineCreationSequenceNumber": [1, 1, 2],
        "ProductNumber": ["P-1", "P-1", "P-1"],
        "RequestedSalesQuantity": [Decimal(1), Decimal(2), Decimal(-1)],
        "SalesUnitSymbol": ["ea"] * 3,
        "SalesPrice": [Decimal(5)] * 3,
        "TotalDiscountAmount": [Decimal(0)] * 3,
    }
    blocked = {"quotes": {"q-2": "Currency DEM does not exist in F&O"}, "products": {}}
    result = check(mapped(lines, "quote-lines"), "quote-lines", blocked=blocked, ceiling=1)
    assert result.held.to_pylist() == [
        {
            "key": "q-2|1",
            "task": "quotes",
            "parent_key": "q-2",
            "reason": "waits for its quote q-2 : Currency DEM does not exist in F&O",
        }
    ]
    assert dict(result.counts) == {"read": 3, "passed": 1, "quarantined": 1, "held": 1, "warnings": 0}
    assert result.set_aside() == {
        "q-2|2": "Quantity -1 is not above 0",
        "q-2|1": "waits for its quote q-2 : Currency DEM does not exist in F&O",
    }


def test_rows_the_mapping_rejected_are_quarantined() -> None:
    lost = {"number": ["Q-9"], "field": ["CurrencyCode"], "value": ["???"], "reason": ["no such code"], "@row": [1]}
    rejected = pa.table(lost, schema=REJECTED)
    result = check(
        mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes", rejected=rejected, read=2), "quotes", ceiling=0.5
    )
    assert result.quarantined.to_pylist()[0] == {
        "key": "q-9",
        "rule": "mapping of CurrencyCode",
        "column": "CurrencyCode",
        "value": "???",
        "severity": "critical",
        "reason": "no such code",
    }
    assert adds_up(result)


def test_too_many_rows_set_aside_stop_the_load() -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-2"], CurrencyCode=["DEM", "USD"])
    result = check(mapped(rows, "quotes"), "quotes")
    assert result.verdict == "blocked"
    assert "more than 5.0% of the rows would be set aside" in result.why
    assert adds_up(result)


def test_a_warning_loads_and_is_flagged(tmp_path: Path) -> None:
    rule = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "n", "min_value": 0},
        "severity": "warning",
        "meta": {"reason": "{key} has {value}"},
    }
    result = check(_rows({"number": ["A", "B"], "n": [1, -1]}), write_suite(tmp_path, rule))
    assert (result.verdict, result.counts["passed"], result.counts["warnings"]) == ("warn", 2, 1)
    assert result.warnings.column("reason").to_pylist() == ["b has -1"]


def test_info_is_noted_and_changes_nothing(tmp_path: Path) -> None:
    rule = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "n"}, "severity": "info"}
    result = check(_rows({"number": ["A"], "n": [1]}), write_suite(tmp_path, rule))
    assert (result.verdict, result.warnings.column("severity").to_pylist()) == ("pass", ["info"])


@pytest.mark.parametrize(("severity", "verdict"), [("critical", "blocked"), ("warning", "warn"), ("info", "pass")])
def test_an_empty_frame_passes_or_stops_as_the_suite_says(tmp_path: Path, severity: str, verdict: str) -> None:
    rule = {
        "type": "expect_table_row_count_to_be_between",
        "kwargs": {"min_value": 1},
        "severity": severity,
        "meta": {"reason": "Nothing came ({value} rows)"},
    }
    empty = _rows({"number": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
    result = check(empty, write_suite(tmp_path, rule))
    assert result.verdict == verdict
    assert ("Nothing came (0 rows)" in result.why) == (severity != "info")


def test_mostly_tolerates_a_share_of_rows_and_still_names_them(tmp_path: Path) -> None:
    rule = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "n", "mostly": 0.5}, "meta": {}}
    few = check(_rows({"number": ["A", "B", "C"], "n": [1, 2, None]}), write_suite(tmp_path, rule))
    many = check(_rows({"number": ["A", "B", "C"], "n": [1, None, None]}), write_suite(tmp_path, rule), ceiling=1)
    assert (few.verdict, few.counts["passed"], few.warnings.num_rows) == ("pass", 3, 1)
    assert few.rules.column("outcome").to_pylist() == ["tolerated"]
    assert (many.verdict, many.counts["quarantined"]) == ("warn", 2)


def test_a_row_condition_narrows_a_rule(tmp_path: Path) -> None:
    condition = {"type": "comparison", "column": {"name": "kind"}, "operator": "==", "parameter": "x"}
    rule = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "n", "row_condition": condition}}
    text = rule | {"kwargs": {"column": "n", "row_condition": 'col("kind") == "x"', "condition_parser": PARSER}}
    rows = {"number": ["A", "B", "C"], "n": [None, None, 1], "kind": ["x", "y", "x"]}
    for form in (rule, text):
        result = check(_rows(rows), write_suite(tmp_path, form), ceiling=1)
        assert result.quarantined.column("key").to_pylist() == ["a"]


PARSER = "great_expectations"


def test_an_expectation_without_a_compiled_form_goes_through_great_expectations(tmp_path: Path) -> None:
    rules = (
        {"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "text"}, "meta": {}},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "n", "min_value": 5}, "severity": "warning"},
    )
    rows = {"number": ["A", "B", "C"], "text": ["{}", "{", None], "n": [1, 2, 3]}
    result = check(_rows(rows), write_suite(tmp_path, *rules), ceiling=1)
    assert result.quarantined.column("key").to_pylist() == ["b"]
    assert result.rules.column("judged_by").to_pylist() == ["Great Expectations"] * 2
    assert result.rules.column("finding").to_pylist() == [None, "observed 2"]
    assert result.verdict == "warn"


def test_a_suite_whose_rules_all_compile_never_imports_great_expectations() -> None:
    program = (
        "import sys, pyarrow as pa; from p2c_lib.gates.judge import judge; from p2c_lib.gates.suite import *;"
        "s = read_suite(find_suite('quotes'));"
        "names = {c for e in s.expectations for c in e.columns};"
        "t = pa.table({n: pa.array([], pa.string() if n != 'QuotationTotalAmount' else pa.int64()) for n in names});"
        "refs = {'Currencies.CurrencyCode': ['USD'], 'exists_in.DeliveryAddressCountryRegionISOCode': ['US']};"
        "print(len(judge(t, s, refs)), 'great_expectations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "False"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"type": "expect_column_values_to_be_nul", "kwargs": {"column": "n"}}, "expect_column_values_to_be_null"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "m"}}, "column 'm' does not exist"),
        ({"type": "expect_column_values_to_match_regex", "kwargs": {"column": "n", "regex": "("}}, "wrong regex"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "n", "result_format": "BASIC"}}, "no effect"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "n"}, "result_format": "BASIC"}, "no effect"),
        (
            {"type": "expect_column_values_to_be_null", "kwargs": {"column": "n"}, "severity": "bad"},
            "Allowed: critical",
        ),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"column": "n", "mostly": 2}}, "between 0 and 1"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {"columm": "n"}}, "unknown argument 'columm'"),
        ({"type": "expect_column_values_to_be_null", "kwargs": {}}, "'column' is missing"),
        ({"expectation_type": "expect_column_values_to_be_null"}, "has no type"),
        (
            {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "n", "value_set": {"$PARAMETER": "X"}}},
            "nobody gives the parameter 'X'",
        ),
        (
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "n"}, "meta": {"reason": "{m}"}},
            "its reason names '{m}'",
        ),
    ],
)
def test_a_wrong_suite_is_an_error_with_file_place_and_hint(tmp_path: Path, rule: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as error:
        check(_rows({"number": ["A"], "n": [None]}), write_suite(tmp_path, rule))
    assert "own.json" in str(error.value)
    assert "expectations[0]" in str(error.value)
    assert message in str(error.value)
    assert error.value.hint


def test_an_unknown_suite_names_those_there_are() -> None:
    with pytest.raises(SuiteError, match=r"Did you mean 'quotes'\?"):
        check(mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes"), "quote")


def test_a_file_that_is_no_suite(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text("[1,")
    with pytest.raises(SuiteError, match="not a readable suite"):
        check(_rows({"number": ["A"], "n": [1]}), path)


def test_a_ceiling_is_a_share() -> None:
    with pytest.raises(FrameError, match="no share"):
        check(mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes"), "quotes", ceiling=5)


def test_the_callers_frame_stays_as_it_was() -> None:
    given = mapped(quotes(SalesQuotationNumber=["Q-1", "Q-1"]), "quotes")
    before = given.frame.table
    check(given, "quotes", ceiling=1)
    assert given.frame.table is before


def test_a_result_shows_itself_with_customers_text_escaped() -> None:
    rows = quotes(SalesQuotationNumber=["<b>Q</b>"], CurrencyCode=["<script>"])
    result = check(mapped(rows, "quotes"), "quotes", ceiling=1)
    html = result._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert json.loads(json.dumps(result.to_dict()))["counts"] == dict(result.counts)
    assert repr(result) == "GateResult(quotes: warn; read 1, passed 0, quarantined 1, held 0, warnings 0)"


def _rows(rows: dict[str, Any]) -> Any:
    shaped = frame(rows, ("number",))
    made = SimpleNamespace(task="own", parents=(), fields=(), options={}, answers={})
    return SimpleNamespace(
        frame=shaped, source=range(len(shaped)), rejected=NOTHING_REJECTED, template=made, references=REFERENCES
    )


def test_a_waived_row_passes_with_its_findings_noted() -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-2"], CurrencyCode=["DEM", "FRF"])
    result = check(mapped(rows, "quotes"), "quotes", waived={"q-1": "Ada: the customer pays in EUR"}, ceiling=1)
    assert result.passed.table.column("SalesQuotationNumber").to_pylist() == ["Q-1"]
    assert result.quarantined.column("key").to_pylist() == ["q-2"]
    assert result.warnings.column("reason").to_pylist() == [
        "Currency DEM does not exist in F&O; waived by Ada: the customer pays in EUR"
    ]
    assert adds_up(result)


def test_the_result_is_a_validation_result_of_great_expectations(tmp_path: Path) -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-2"], CurrencyCode=["DEM", "USD"])
    result = check(mapped(rows, "quotes"), "quotes", ceiling=1)
    made = json.loads(json.dumps(result.to_gx()))
    assert made["statistics"]["unsuccessful_expectations"] == 1
    (failed,) = [r for r in made["results"] if not r["success"]]
    assert failed["expectation_config"]["kwargs"]["column"] == "CurrencyCode"
    assert failed["result"] == {
        "element_count": 2,
        "unexpected_count": 1,
        "unexpected_percent": 50.0,
        "partial_unexpected_list": ["DEM"],
        "missing_count": 0,
        "missing_percent": 0.0,
        "unexpected_percent_total": 50.0,
        "unexpected_percent_nonmissing": 50.0,
    }
    assert [result.to_gx(stage)["success"] for stage in ("source", "destination")] == [True, True]
    pages = write_docs(result, tmp_path / "docs")
    assert [page.name for page in pages] == ["quotes.source.html", "quotes.html", "quotes.destination.html"]
    assert "CurrencyCode" in pages[1].read_text("utf-8")


def test_a_report_can_carry_the_rules_as_a_picture() -> None:
    rows = quotes(SalesQuotationNumber=["Q-1", "Q-2"], CurrencyCode=["DEM", "USD"])
    result = check(mapped(rows, "quotes"), "quotes", ceiling=1)
    chart = result.chart()
    assert chart is not None
    assert chart.alt == "CurrencyCode exists in F&O critical 1; CurrencyCode exists in F&O fits 1"
    assert "<svg" in result.report(charts=True).to_html()
    assert check(mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes"), "quotes").chart() is None


WATCHED = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from tests.test_gates import _rows, check, write_suite
suite = write_suite(Path(sys.argv[1]), *json.loads(sys.argv[2]))
seen = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"{event} {arguments[0]}")
    elif event in ("socket.connect", "socket.getaddrinfo", "os.mkdir"):
        seen.append(f"{event} {arguments}")
sys.addaudithook(watch)
check(_rows({"number": ["A", "B"], "text": ["{}", "{"], "n": [1, None]}), suite, ceiling=1)
print(json.dumps([s for s in seen if "__pycache__" not in s]))
"""


@pytest.mark.parametrize("kind", ["expect_column_values_to_not_be_null", "expect_column_values_to_be_json_parseable"])
def test_the_gate_writes_no_file_and_calls_nobody(tmp_path: Path, kind: str) -> None:
    rules = json.dumps([{"type": kind, "kwargs": {"column": "text"}}])
    command = [sys.executable, "-c", WATCHED, str(tmp_path), rules]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert [p.name for p in tmp_path.iterdir()] == ["own.json"]
