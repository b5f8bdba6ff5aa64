"""A gate's outcome in Great Expectations' own form: its result JSON, and its Data Docs page on demand."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.secrecy import without_whole_secrets

if TYPE_CHECKING:
    from p2c_lib.gates.judge import Outcome
    from p2c_lib.gates.result import GateResult, Stage

__all__ = ["validation_result", "write_docs"]

LISTED = 20


def validation_result(stage: Stage, meta: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's outcome as the JSON of a Great Expectations validation, in the shape of its SUMMARY results."""
    results = [_result(outcome, stage.table) for outcome in stage.outcomes]
    good = sum(r["success"] for r in results)
    share = 100.0 * good / len(results) if results else None
    return {
        "success": good == len(results),
        "results": results,
        "suite_name": stage.suite.name,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": share,
        },
        "meta": {"suite_sha256": stage.suite.sha, **meta},
        "id": None,
    }


def write_docs(result: GateResult, folder: Path) -> tuple[Path, ...]:
    """Great Expectations' page of each stage's validation, written into ``folder``; loads Great Expectations."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = tuple(folder / f"{stage.suite.path.stem}.html" for stage in result.stages)
    for stage, path in zip(result.stages, pages, strict=True):
        path.write_text(without_whole_secrets(_page(result.to_gx(stage.name))), "utf-8")
    return pages


def _page(validation: Mapping[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
        from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
        from great_expectations.render.view.view import DefaultJinjaPageView

        loaded = ExpectationSuiteValidationResultSchema().load(validation)
        view: Any = DefaultJinjaPageView()
        page: str = view.render(ValidationResultsPageRenderer(run_info_at_end=True).render(loaded))
    return page


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
    values = [one_array(texts(table.column(c).take(at))) for c in columns]
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
