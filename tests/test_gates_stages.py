"""The gate before and after the mapping: what came, what would be sent, what the destination must know."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.errors import SuiteError, TemplateError, UnknownName
from p2c_lib.gates import check, trend, waiting_wholes
from p2c_lib.ledger import open_ledger
from p2c_lib.mapping import parse, template
from tests.test_gates import REFERENCES, REJECTED, mapped, quotes, write_suite

NUMBERS = ["Q-1", "Q-2", "Q-3"]
NAMES = ("SalesQuotationNumber", "LineCreationSequenceNumber", "field", "value", "reason")
LINES_REJECTED = pa.schema([*((name, pa.string()) for name in NAMES), ("@row", pa.int64())])
SCOPE = {"connection_set": "sandbox", "company": "USMF"}


def three(**given: Any) -> Any:
    """Three quotes, all with lines, their source columns as given."""
    one = mapped(quotes(SalesQuotationNumber=NUMBERS, **given.pop("sent", {})), "quotes", quotenumber=NUMBERS, **given)
    one.references = {**REFERENCES, "quotedetails.quoteid.quotenumber": tuple(NUMBERS)}
    return one


def aside(result: Any) -> list[tuple[str, str, str]]:
    return [(row["key"], row["rule"], row["reason"]) for row in result.quarantined.to_pylist()]


def test_a_row_that_came_wrong_is_set_aside_in_the_words_of_its_source() -> None:
    result = check(three(**{"customerid.account.statecode": [0, 1, None]}), "quotes", ceiling=1)
    assert aside(result) == [
        ("q-2", "account of the quote is active", "Its customer, account C-1, is inactive in Sales"),
    ]
    assert result.passed.table.column("SalesQuotationNumber").to_pylist() == ["Q-1", "Q-3"]
    assert dict(result.counts) == {"read": 3, "passed": 2, "quarantined": 1, "held": 0, "warnings": 0}


def test_a_quote_without_lines_or_with_a_total_that_does_not_add_up_is_named() -> None:
    came = three(totalamount=[Decimal("5.00"), Decimal("0.00"), Decimal("0.00")])
    came.references["quotedetails.quoteid.quotenumber"] = ("Q-1", "Q-2")
    result = check(came, "quotes", ceiling=1)
    assert aside(result) == [("q-3", "quote has lines", "Quote Q-3 has no lines")]
    assert [row["reason"] for row in result.warnings.to_pylist()] == ["Total amount 5 is not the 0 of its parts"]


def test_sums_take_an_empty_amount_as_nothing_and_keep_every_digit() -> None:
    large = Decimal("9" * 33 + ".9999")
    kind = pa.decimal128(38, 4)
    amounts = {
        "totalamount": pa.array([large, Decimal(3), None], kind),
        "totalamountlessfreight": pa.array([large, Decimal(1), None], kind),
        "freightamount": pa.array([None, Decimal(1), None], kind),
        "totaltax": pa.array([None, Decimal(2), None], kind),
    }
    result = check(three(**amounts), "quotes")
    assert [(row["key"], row["reason"]) for row in result.warnings.to_pylist()] == [
        ("q-2", "Total amount 3 is not the 4 of its parts"),
        ("q-3", "Total amount (empty) is not the 0 of its parts"),
    ]


def test_a_row_wrong_at_every_stage_counts_once() -> None:
    lost = {"number": ["Q-3"], "field": ["CurrencyCode"], "value": ["?"], "reason": ["no such code"], "@row": [2]}
    sent = quotes(SalesQuotationNumber=["Q-1", "Q-2"], CurrencyCode=["DEM", "USD"])
    came = mapped(
        sent, "quotes", rejected=pa.table(lost, schema=REJECTED), read=3, statecode=[0, 1, 0], quotenumber=NUMBERS
    )
    came.references = {**REFERENCES, "quotedetails.quoteid.quotenumber": tuple(NUMBERS)}
    result = check(came, "quotes", ceiling=1)
    assert aside(result) == [
        ("q-3", "mapping of CurrencyCode", "no such code"),
        ("q-1", "quote is active", "The quote is not active"),
        ("q-3", "quote is active", "The quote is not active"),
        ("q-1", "CurrencyCode exists in F&O", "Currency DEM does not exist in F&O"),
    ]
    assert dict(result.counts) == {"read": 3, "passed": 1, "quarantined": 2, "held": 0, "warnings": 0}


def test_a_waived_row_passes_though_it_came_wrong() -> None:
    result = check(three(statecode=[1, 0, 1]), "quotes", waived={"q-2": "Ada: it is active in fact"})
    assert (result.counts["passed"], result.quarantined.num_rows) == (3, 0)
    assert result.warnings.column("reason").to_pylist() == [
        "The quote is not active; waived by Ada: it is active in fact"
    ]


def test_a_destination_that_lacks_what_every_row_needs_stops_the_load() -> None:
    came = three()
    came.references["AddressCountryRegions.ISOcode"] = ("DE",)
    came.references["Currencies.CurrencyCode"] = ()
    result = check(came, "quotes", ceiling=1)
    assert result.verdict == "blocked"
    assert result.why.startswith(
        "The load is stopped: F&O shows no currencies in this company; "
        "The country of delivery that the template fills in does not exist in F&O."
    )
    assert "0 of 3 rows would otherwise load." in result.why


@pytest.mark.parametrize(("severity", "verdict"), [("critical", "blocked"), ("warning", "warn"), ("info", "pass")])
def test_a_rule_about_the_destination_is_about_all_rows(tmp_path: Path, severity: str, verdict: str) -> None:
    rule = {
        "type": "expect_column_values_to_match_regex",
        "kwargs": {"column": "Currencies.CurrencyCode", "regex": "^U"},
        "severity": severity,
        "meta": {"reason": "F&O has the odd currencies {value}"},
    }
    result = check(three(), write_suite(tmp_path, rule, name="quotes.destination"))
    assert (result.verdict, result.counts["quarantined"]) == (verdict, 0)
    assert ("F&O has the odd currencies EUR" in result.why) == (severity != "info")


def test_rules_come_with_stage_and_column_and_their_failing_rows_by_the_page() -> None:
    result = check(three(sent={"CurrencyCode": ["DEM", "FRF", "USD"]}, statecode=[0, 0, 0]), "quotes", ceiling=1)
    found = [rule for rule in result.rules.to_pylist() if rule["rows"]]
    assert [
        (r["stage"], r["rule"], r["column"], r["severity"], r["outcome"], r["rows"], r["judged"]) for r in found
    ] == [
        ("source", "quote is active", "statecode", "critical", "fails", 3, 3),
        ("mapped", "CurrencyCode exists in F&O", "CurrencyCode", "critical", "fails", 2, 3),
    ]
    assert all(rule["remedy"] for rule in found)
    assert result.failing("quote is active", 1, 1).column("key").to_pylist() == ["q-2"]
    assert result.failing(offset=3).column("key").to_pylist() == ["q-1", "q-2"]
    assert result.failing("name is not cut").num_rows == 0
    with pytest.raises(UnknownName, match="Did you mean 'quote is active'"):
        result.failing("quote is actve")
    with pytest.raises(UnknownName, match="Unknown stage 'middle'"):
        result.stage("middle")


def test_a_value_the_mapping_refused_is_a_rule_like_any_other() -> None:
    lost = {"number": ["Q-2"], "field": ["CurrencyCode"], "value": ["?"], "reason": ["no such code"], "@row": [1]}
    came = mapped(quotes(SalesQuotationNumber=["Q-1"]), "quotes", rejected=pa.table(lost, schema=REJECTED), read=2)
    result = check(came, "quotes", ceiling=1)
    (refused,) = [rule for rule in result.rules.to_pylist() if rule["stage"] == "mapping"]
    assert (refused["rule"], refused["rows"], refused["judged"]) == ("mapping of CurrencyCode", 1, 2)
    assert result.failing(refused["rule"]).column("key").to_pylist() == ["q-2"]


def test_a_column_that_was_not_read_is_named_with_where_to_ask_for_it(tmp_path: Path) -> None:
    rule = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "emailadress"}}
    with pytest.raises(SuiteError, match="'emailadress' does not exist") as error:
        check(three(), write_suite(tmp_path, rule, name="quotes.source"))
    assert "The template's gate: columns may read more." in str(error.value.hint)


def test_one_suite_alone_is_judged_when_a_file_is_given() -> None:
    folder = check(three(), "quotes").stage("source").suite.path.parent
    result = check(three(statecode=[0, 0, 0]), folder / "quotes.json")
    assert ([stage.name for stage in result.stages], result.verdict) == (["mapped"], "pass")
    both = check(three(), [folder / "quotes.json", folder / "quotes.source.json"])
    assert [stage.name for stage in both.stages] == ["source", "mapped"]
    assert both.suite_sha != result.suite_sha


def lines(**columns: Any) -> dict[str, Any]:
    count = len(columns["SalesQuotationNumber"])
    rest = {
        "LineCreationSequenceNumber": list(range(1, count + 1)),
        "ProductNumber": ["P-1"] * count,
        "RequestedSalesQuantity": [Decimal(1)] * count,
        "SalesUnitSymbol": ["ea"] * count,
        "SalesPrice": [Decimal(5)] * count,
        "TotalDiscountAmount": [Decimal(0)] * count,
    }
    return rest | columns


def test_a_quote_waits_for_each_of_its_lines_that_cannot_go_and_the_others_wait_for_it() -> None:
    blocked = {"products": {"p-9": "'pal' is not in the value map"}}
    parts = mapped(
        lines(
            SalesQuotationNumber=["Q-1", "Q-1", "Q-2", "Q-3"],
            ProductNumber=["P-1", "P-9", "P-1", "P-1"],
            RequestedSalesQuantity=[Decimal(n) for n in (1, 1, -1, 1)],
        ),
        "quote-lines",
        rejected=LINES_REJECTED.empty_table(),
    )
    parts.references = {**REFERENCES, "SellableReleasedProducts.ProductNumber": ("P-1", "P-9")}
    ahead = check(parts, "quote-lines", blocked=blocked, ceiling=1)
    waits = waiting_wholes(parts, ahead, "quotes")
    assert [(row["key"], row["parent_key"], row["reason"]) for row in waits.to_pylist()] == [
        ("q-1", "q-1|2", "waits for its line 2: waits for its product P-9: 'pal' is not in the value map"),
        ("q-2", "q-2|3", "waits for its line 3: Quantity -1 is not above 0"),
    ]
    heads = check(three(), "quotes", parts=waits, ceiling=1)
    assert dict(heads.counts) == {"read": 3, "passed": 1, "quarantined": 0, "held": 2, "warnings": 0}

    after = check(parts, "quote-lines", blocked=blocked | {"quotes": heads.set_aside()}, ceiling=1)
    assert after.set_aside() == {
        "q-2|3": "Quantity -1 is not above 0",
        "q-1|2": "waits for its product P-9: 'pal' is not in the value map",
        "q-1|1": "waits for its quote Q-1: " + waits.column("reason")[0].as_py(),
    }
    assert (after.counts["held"], after.held.num_rows) == (2, 2)


def test_a_part_the_mapping_refused_for_two_values_holds_its_whole_once() -> None:
    cells = [("Q-1", "7", field, "?", f"no such {field}", 0) for field in ("unit", "price")]
    lost = pa.table([pa.array(column) for column in zip(*cells, strict=True)], schema=LINES_REJECTED)
    parts = mapped(lines(SalesQuotationNumber=["Q-2"]), "quote-lines", rejected=lost, read=2)
    parts.frame = parts.frame.with_table(parts.frame.table.set_column(7, "@row", pa.array([1])))
    waits = waiting_wholes(parts, check(parts, "quote-lines", ceiling=1), "quotes")
    assert [(row["key"], row["reason"]) for row in waits.to_pylist()] == [("q-1", "waits for its line 7: no such unit")]


def test_a_whole_that_is_set_aside_itself_does_not_wait_as_well() -> None:
    waits = pa.table(
        {"key": ["q-1", "q-9"], "task": ["quote-lines"] * 2, "parent_key": ["q-1|1"] * 2, "reason": ["x"] * 2}
    )
    result = check(three(statecode=[0, 1, 1]), "quotes", parts=waits, ceiling=1)
    assert (result.counts["quarantined"], result.counts["held"], result.held.num_rows) == (1, 0, 0)


def test_a_whole_is_named_by_columns_of_the_key() -> None:
    text = """
version: 1
task: parts
title: Parts
source: {app: sales, entity: quotedetails}
destination: {app: finops, entity: CDSSalesQuotationLines}
key: {sequencenumber: LineCreationSequenceNumber}
fields:
  - {from: sequencenumber, to: LineCreationSequenceNumber}
  - {from: quantity, to: RequestedSalesQuantity}
parents:
  - {column: LineCreationSequenceNumber, tasks: [quotes], says: its quote, whole: "line of {RequestedSalesQuantity}"}
"""
    with pytest.raises(TemplateError, match="RequestedSalesQuantity, which is not in the key"):
        parse(text, name="parts.yml")


def test_what_only_the_gate_looks_at_is_read_and_not_sent() -> None:
    made = template("quotes")
    assert {"statecode", "freightamount", "customerid.account.statecode"} <= set(made.source.columns)
    assert not {"statecode", "freightamount"} & {rule.to for rule in made.fields}
    assert parse(made_text(), name="q.yml").gate == made.gate


def made_text() -> str:
    import yaml

    return yaml.safe_dump(template("quotes").to_dict())


def test_the_gate_is_remembered_run_by_run(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    for run, states in (("r1", [0, 0, 1]), ("r2", [0, 1, 1]), ("r3", [1, 1, 1])):
        result = check(three(statecode=states), "quotes", ceiling=1)
        facts = dict.fromkeys(("created", "updated", "unchanged", "extra", "failed", "drifted"), 0)
        facts |= {name: result.counts[name] for name in ("read", "passed", "quarantined", "held")}
        ledger.begin_run(run, **SCOPE, apply=False)
        line = {"task": "quotes", "status": "clean", "verdict": result.verdict, "why": result.why, "seconds": 0.1}
        ledger.record_task(run, facts | line)
        for _ in range(2):
            ledger.record_gate(
                run, **SCOPE, task="quotes", rules=[rule for rule in result.rules.to_pylist() if rule["rows"]]
            )
    seen = trend(ledger, "quotes", **SCOPE)
    assert [(run["run_id"], run["verdict"], run["quarantined"]) for run in seen.runs.to_pylist()] == [
        ("r1", "warn", 2),
        ("r2", "warn", 1),
        ("r3", "pass", 0),
    ]
    assert seen.rule("quote is active").column("rows").to_pylist() == [2, 1, 0]
    assert trend(ledger, "quotes", **SCOPE, last=1).rules.num_rows == 0
    with pytest.raises(UnknownName, match="that ever found something"):
        seen.rule("quote is late")
    assert "0 of 3 rows set aside in the latest run; between 0 and 2 in 3 runs." in seen._repr_html_()
    assert seen.to_dict()["rules"][0]["judged"] == 3
    assert ledger.verify().sound
    assert trend(ledger, "accounts", **SCOPE).chart() is None
    ledger.close()
