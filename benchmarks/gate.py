"""The gate's compiled pass against Great Expectations on the same rows and the same 25 rules.

    python benchmarks/gate.py [--rows 1000000] [--repeat 3] [--json]

Every case runs in a process of its own, the cases in turn; figures are ratios of medians of one run. ``COMPLETE`` names
every failing row by the value of ``unexpected_index_column_names``, as the compiled pass does here; ``BOOLEAN_ONLY``
names none. Imports are timed on neither side: Great Expectations takes seconds for its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
CASES = ("compiled", "gx_complete", "gx_boolean")
CODES = [f"C{i:03}" for i in range(200)]


def rows(count: int) -> pa.Table:
    """``count`` rows x 17 columns; 0.5 % of them fail one rule: a code, an e-mail, a quantity, a key twice."""
    import duckdb

    return duckdb.sql(f"""
        SELECT 'K' || lpad((CASE WHEN i % 20000 = 7 THEN i - 1 ELSE i END)::VARCHAR, 9, '0') AS id,
            'Customer ' || (hash(i) % 400000) AS name,
            CASE WHEN i % 800 = 3 THEN 'DEM' ELSE 'C' || lpad((hash(i + 1) % 200)::VARCHAR, 3, '0') END AS currency,
            'C' || lpad((hash(i + 2) % 200)::VARCHAR, 3, '0') AS country,
            'C' || lpad((hash(i + 3) % 200)::VARCHAR, 3, '0') AS unit,
            'C' || lpad((hash(i + 4) % 200)::VARCHAR, 3, '0') AS site,
            CASE WHEN i % 800 = 11 THEN 'nobody' ELSE 'c' || i || '@example.com' END AS email,
            '+1 425 555 ' || lpad((hash(i + 5) % 10000)::VARCHAR, 4, '0') AS phone,
            (hash(i + 6) % 900) || ' Main Street' AS street,
            'City ' || (hash(i + 7) % 2000) AS city,
            lpad((hash(i + 8) % 99999)::VARCHAR, 5, '0') AS zip,
            CASE WHEN i % 800 = 19 THEN -1 ELSE (hash(i + 9) % 500)::BIGINT END AS quantity,
            ((hash(i + 10) % 100000) / 100.0)::DOUBLE AS price,
            ((hash(i + 11) % 1000) / 100.0)::DOUBLE AS discount,
            (hash(i + 12) % 6)::BIGINT AS decimals,
            TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL 1 SECOND * (hash(i + 13) % 99999999)::INTEGER AS modified,
            CASE WHEN i % 800 = 27 THEN NULL ELSE 'Line ' || i END AS note
        FROM range({count}) r(i)
    """).to_arrow_table()


def rule(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


EMAIL = r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]{2,}$"
PHONE = r"^\+?[0-9(][0-9 ()./-]{4,}[0-9]$"
RULES = [
    *(rule("column_values_to_not_be_null", column=c) for c in ("id", "name", "currency", "unit", "quantity", "note")),
    *(rule("column_values_to_be_in_set", column=c, value_set=CODES) for c in ("currency", "country", "unit", "site")),
    rule("column_values_to_be_unique", column="id"),
    rule("column_value_lengths_to_be_between", column="id", min_value=1, max_value=20),
    rule("column_value_lengths_to_be_between", column="name", min_value=1, max_value=100),
    rule("column_value_lengths_to_be_between", column="street", max_value=250),
    rule("column_value_lengths_to_be_between", column="city", max_value=60),
    rule("column_value_lengths_to_be_between", column="zip", max_value=10),
    rule("column_values_to_match_regex", column="email", regex=EMAIL),
    rule("column_values_to_match_regex", column="phone", regex=PHONE),
    rule("column_values_to_match_regex", column="zip", regex=r"^[0-9]{5}$"),
    rule("column_values_to_be_between", column="quantity", min_value=0),
    rule("column_values_to_be_between", column="price", min_value=0),
    rule("column_values_to_be_between", column="discount", min_value=0, max_value=100),
    rule("column_values_to_be_between", column="decimals", min_value=0, max_value=5),
    rule("column_values_to_be_between", column="modified", min_value="1900-01-01T00:00:00+00:00"),
    rule("column_pair_values_to_be_equal", column_A="id", column_B="id"),
]


def compiled(table: pa.Table) -> tuple[float, list[list[Any]]]:
    from p2c_lib.gates.judge import judge
    from p2c_lib.gates.suite import Expectation, Suite

    expectations = tuple(Expectation(i, r["type"], r["kwargs"]) for i, r in enumerate(RULES))
    suite = Suite("benchmark", Path("benchmark.json"), "", expectations)
    started = perf_counter()
    outcomes = judge(table, suite)
    named = [table.column("id").take(o.rows).to_pylist() for o in outcomes]
    seconds = perf_counter() - started
    assert "great_expectations" not in sys.modules
    return seconds, [[o.success, len(n)] for o, n in zip(outcomes, named, strict=True)]


def gx(table: pa.Table, wanted: Any) -> tuple[float, list[list[Any]]]:
    import os
    import warnings

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    import great_expectations

    frame = table.to_pandas()
    context = great_expectations.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("d")
    suite = great_expectations.ExpectationSuite(
        name="b", expectations=[dict(r, meta={"at": i}) for i, r in enumerate(RULES)]
    )
    batch = asset.add_batch_definition_whole_dataframe("w").get_batch({"dataframe": frame})
    started = perf_counter()
    results = batch.validate(suite, result_format=wanted).results
    seconds = perf_counter() - started
    by_number = {r.expectation_config.meta["at"]: r for r in results}
    return seconds, [
        [bool(r.success), r.result.get("unexpected_count")] for r in (by_number[i] for i in range(len(RULES)))
    ]


def measure(case: str, count: int) -> dict[str, Any]:
    """One case in this process: seconds, the verdict of each rule, and the memory it took beyond the frame's."""
    import pandas  # noqa: F401  # which pyarrow, too, looks for

    import p2c_lib.gates.judge  # noqa: F401  # its code is not its memory

    table = rows(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    complete = {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}
    if case == "compiled":
        seconds, verdicts = compiled(table)
    else:
        seconds, verdicts = gx(table, complete if case == "gx_complete" else "BOOLEAN_ONLY")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    frame = table.nbytes // 2**20
    return {"seconds": seconds, "verdicts": verdicts, "frame_mb": frame, "beyond_mb": peak - before, "peak_mb": peak}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--case", choices=CASES)
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    if given.case:
        print(json.dumps(measure(given.case, given.rows)))
        return
    laps: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
    for _ in range(given.repeat):
        for case in CASES:
            command = [sys.executable, __file__, "--case", case, "--rows", str(given.rows)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            laps[case].append(json.loads(done.stdout.splitlines()[-1]))
            print(case, round(laps[case][-1]["seconds"], 2), file=sys.stderr)
    seconds = {case: median(lap["seconds"] for lap in found) for case, found in laps.items()}
    ours, complete, boolean = (laps[case][0]["verdicts"] for case in CASES)
    figures = {
        "verdicts_equal_gx": ours == complete and [v[0] for v in ours] == [v[0] for v in boolean],
        "speed_vs_gx_complete": round(seconds["gx_complete"] / seconds["compiled"], 1),
        "speed_vs_gx_boolean": round(seconds["gx_boolean"] / seconds["compiled"], 1),
        "peak_vs_frame": round(max((f["frame_mb"] + f["beyond_mb"]) / f["frame_mb"] for f in laps["compiled"]), 2),
        "seconds": round(seconds["compiled"], 2),
    }
    result = {"benchmark": "gate", "rows": given.rows, "figures": figures}
    print(json.dumps(result) if given.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
