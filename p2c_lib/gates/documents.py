"""A gate's outcome in Great Expectations' own form: its result JSON, and its Data Docs page on demand."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import SuiteError
from p2c_lib.gates.sentence import as_text
from p2c_lib.gates.suite import read_suite

if TYPE_CHECKING:
    from p2c_lib.gates.judge import Outcome
    from p2c_lib.gates.result import GateResult

__all__ = ["validation_result", "write_docs"]

LISTED = 20


def validation_result(result: GateResult) -> dict[str, Any]:
    """The outcome as the JSON of a Great Expectations validation, in the shape of its SUMMARY results."""
    table = result.judged
    if table is None:
        raise SuiteError("This result holds no rows.", hint="Judge the rows again with check().")
    results = [_result(outcome, table) for outcome in result.outcomes]
    good = sum(r["success"] for r in results)
    share = 100.0 * good / len(results) if results else None
    return {
        "success": good == len(results),
        "results": results,
        "suite_name": read_suite(Path(result.suite)).name,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": share,
        },
        "meta": {"suite_sha256": result.suite_sha, "verdict": result.verdict, "why": result.why},
        "id": None,
    }


def write_docs(result: GateResult, folder: Path) -> Path:
    """Great Expectations' page of the validation, written into ``folder``; loads Great Expectations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
        from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
        from great_expectations.render.view.view import DefaultJinjaPageView

        loaded = ExpectationSuiteValidationResultSchema().load(validation_result(result))
        view: Any = DefaultJinjaPageView()
        page: str = view.render(ValidationResultsPageRenderer(run_info_at_end=True).render(loaded))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.task}.html"
    path.write_text(page, "utf-8")
    return path


def _result(outcome: Outcome, table: pa.Table) -> dict[str, Any]:
    rule = outcome.rule
    return {
        "success": outcome.success,
        "expectation_config": {
            "type": rule.type,
            "kwargs": dict(rule.kwargs),
            "meta": dict(rule.meta),
            "severity": rule.severity,
        },
        "result": _row_details(outcome, table) if outcome.on_rows else {"observed_value": outcome.observed},
        "meta": {"judged_by": outcome.by},
        "exception_info": {"raised_exception": False, "exception_traceback": None, "exception_message": None},
    }


def _row_details(outcome: Outcome, table: pa.Table) -> dict[str, Any]:
    """Counts as Great Expectations names them, and the first failing values."""
    count, bad = table.num_rows, len(outcome.rows)
    columns = outcome.rule.columns
    missing = table.column(columns[0]).null_count if len(columns) == 1 else 0
    there = count - missing
    at = pa.array(outcome.rows[:LISTED])
    values = [as_text(table.column(c).take(at)) for c in columns]
    listed = (
        values[0] if len(values) == 1 else pc.binary_join_element_wise(*(pc.fill_null(v, "") for v in values), ", ")
    )
    return {
        "element_count": count,
        "unexpected_count": bad,
        "unexpected_percent": 100.0 * bad / there if there else None,
        "partial_unexpected_list": listed.to_pylist() if columns else [],
        "missing_count": missing,
        "missing_percent": 100.0 * missing / count if count else None,
        "unexpected_percent_total": 100.0 * bad / count if count else None,
        "unexpected_percent_nonmissing": 100.0 * bad / there if there else None,
    }
