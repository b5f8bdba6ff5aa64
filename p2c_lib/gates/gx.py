"""Great Expectations itself, for the rules that have no compiled form; loaded only when there is one.

It runs in memory: no data context on disk, no analytics, no progress bars, one narrow frame and one validation.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa

from p2c_lib.gates.condition import condition_columns
from p2c_lib.gates.judge import Outcome
from p2c_lib.gates.scan import POSITION
from p2c_lib.gates.suite import Expectation, Suite
from p2c_lib.lengths import utf16_length

__all__ = ["gx_outcomes", "memory_context"]

NUMBERS = count()
METRICS = "expectations.metrics"
METRIC_MODULES: tuple[str, ...] = ("execution_engine", METRICS, f"{METRICS}.map_metric_provider")


def gx_outcomes(table: pa.Table, rules: Sequence[Expectation], suite: Suite) -> list[Outcome]:
    """The outcome of each rule as Great Expectations judges it. Raises SuiteError for what it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory_context()
        results = _validated(_frame(table, rules), [_implementation(rule, suite) for rule in rules])
    return [_outcome(rule, result, suite) for rule, result in zip(rules, results, strict=True)]


def _frame(table: pa.Table, rules: Sequence[Expectation]) -> Any:
    """The columns the rules name, as pandas; the whole table where a rule does not say which it needs."""
    named: set[str] = {c for r in rules for c in (*r.columns, *condition_columns(r.kwargs.get("row_condition")))}
    open_ended = any(not r.columns or isinstance(r.kwargs.get("row_condition"), str) for r in rules)
    chosen = [c for c in table.column_names if open_ended or c in named]
    frame = table.select([c for c in chosen if not c.startswith("@")]).to_pandas(integer_object_nulls=True)
    frame[POSITION] = np.arange(table.num_rows)
    return frame


def _implementation(rule: Expectation, suite: Suite) -> Any:
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations import registry
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        registry.get_expectation_impl(rule.type)
    except ExpectationNotFoundError:
        known = sorted(registry.list_registered_expectation_implementations())
        near = get_close_matches(rule.type, known, n=1)
        guess = f"Did you mean '{near[0]}'? " if near else ""
        hint = f"{guess}Great Expectations knows {len(known)} types."
        raise suite.error(rule, "unknown expectation.", hint) from None
    try:
        configuration = ExpectationConfiguration(type=rule.type, kwargs=dict(rule.kwargs))
        return configuration.to_domain_obj()
    except Exception as error:
        raise suite.error(rule, f"does not fit: {_first_line(error)}", "Compare its arguments with the type.") from None


@cache
def memory_context() -> Any:
    """One context a process, in memory: without its default docs site it makes no folder, and it tells nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types import base

    stores = base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    config = base.DataContextConfig(store_backend_defaults=stores, analytics_enabled=False)
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = base.ProgressBarsConfig(globally=False)
    _count_as_the_services()
    return context


def _count_as_the_services() -> None:
    """Lengths in UTF-16 code units in Great Expectations too: its own metric under the same name, measured anew."""
    modules: Any = (import_module(f"great_expectations.{name}") for name in METRIC_MODULES)
    engines, metrics, maps = modules
    lengths: Any = metrics.ColumnValuesValueLength

    class ColumnValuesCodeUnits(lengths):  # type: ignore[misc]
        @maps.column_function_partial(engine=engines.PandasExecutionEngine)  # type: ignore[untyped-decorator]
        def _pandas_function(cls, column: Any, **_: Any) -> Any:  # noqa: N805 - it becomes a class method
            return column.astype(str).map(utf16_length)


def _validated(frame: Any, made: Sequence[Any]) -> list[Mapping[str, Any]]:
    import great_expectations as gx

    name = f"rows-{next(NUMBERS)}"
    definition = memory_context().data_sources.add_pandas(name).add_dataframe_asset("rows")
    batch = definition.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": [POSITION]}
    for number, expectation in enumerate(made):
        expectation.meta = {"at": number}
    expectations = gx.ExpectationSuite(name="rest", expectations=list(made))
    try:
        answered = batch.validate(expectations, result_format=wanted).results
    finally:
        memory_context().data_sources.delete(name)
    by_number = {r.expectation_config.meta["at"]: r.to_json_dict() for r in answered if r.expectation_config}
    return [by_number[number] for number in range(len(made))]


def _outcome(rule: Expectation, result: Mapping[str, Any], suite: Suite) -> Outcome:
    message = _raised(result["exception_info"])
    if message is not None:
        hint = "Great Expectations could not judge it on these columns: check the column's type and the arguments."
        raise suite.error(rule, f"failed to run: {_first_line(message)}", hint)
    details = result.get("result") or {}
    on_rows = "unexpected_index_list" in details or "unexpected_count" in details
    listed = details.get("unexpected_index_list") or []
    rows = np.unique(np.array([entry[POSITION] for entry in listed], np.int64))
    seen = int(details.get("element_count") or 0) - int(details.get("missing_count") or 0)
    observed = details.get("observed_value")
    return Outcome(rule, bool(result["success"]), rows, on_rows, seen, observed, "Great Expectations")


def _raised(info: Mapping[str, Any]) -> str | None:
    """The message of the exception in a result: one record, or one for each metric that failed."""
    records = [info] if "raised_exception" in info else list(info.values())
    return next((str(r["exception_message"]) for r in records if r["raised_exception"]), None)


def _first_line(error: object) -> str:
    return str(error).strip().split("\n")[0][:300]
