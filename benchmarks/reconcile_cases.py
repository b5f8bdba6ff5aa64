"""One way of comparing ``expected.parquet`` with ``actual.parquet``, timed: ``reconcile_cases.py CASE FOLDER``.

The time is that of the comparison and its report. Before the clock starts every case has loaded its libraries, and
those in memory have read their files. The rules are the same for all: every text is trimmed and compared without case,
keys too, and the balance may differ by a cent.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

TEXTS = ("name", "street", "city", "state", "zip", "country", "email", "phone", "segment", "note")
LENIENT: dict[str, Any] = {"abs_tol": {"balance": 0.01}, "ignore_spaces": True, "ignore_case": True}
Timed = tuple[float, dict[str, int] | None]


def bare(folder: Path) -> Timed:
    """The least: one GROUP BY over hashes of both files, then the rules on the flagged rows, counts only."""
    import duckdb

    database = duckdb.connect(":memory:")
    started = perf_counter()
    sides = {s: f"read_parquet('{folder}/{s}.parquet')" for s in ("expected", "actual")}
    columns = [r[0] for r in database.execute(f"DESCRIBE SELECT * FROM {sides['expected']}").fetchall()][1:]
    hashes = " UNION ALL ".join(
        f"SELECT hash(lower(trim(id))) k, hash({', '.join(columns)}) r, {n}::TINYINT s FROM {side}"
        for n, side in enumerate(sides.values())
    )
    database.execute(
        f"CREATE TEMP TABLE flagged AS SELECT k FROM ({hashes}) GROUP BY k "
        "HAVING count(*) <> 2 OR sum(s) <> 1 OR min(r) <> max(r)"
    )
    for name, side in sides.items():
        database.execute(
            f"CREATE TEMP TABLE {name} AS SELECT lower(trim(id)) AS k, * FROM {side} WHERE hash(k) IN (FROM flagged)"
        )
    database.execute(
        "CREATE TEMP TABLE keys AS SELECT k, count(*) FILTER (s = 0) ne, count(*) FILTER (s = 1) na FROM "
        "(SELECT k, 0 s FROM expected UNION ALL SELECT k, 1 FROM actual) GROUP BY k"
    )
    same = " AND ".join(_same(c) for c in columns)
    row = database.execute(
        "SELECT count(*) FILTER (ne = 1 AND na = 0), count(*) FILTER (ne = 0 AND na = 1), "
        "coalesce(sum(ne + na) FILTER (ne > 1 OR na > 1), 0) FROM keys"
    ).fetchone()
    changed = database.execute(
        "SELECT count(*) FROM expected e JOIN actual a USING (k) JOIN keys USING (k) "
        f"WHERE ne = 1 AND na = 1 AND NOT ({same})"
    ).fetchone()
    seconds = perf_counter() - started
    assert row is not None
    assert changed is not None
    return seconds, {"missing": row[0], "extra": row[1], "duplicate": int(row[2]), "changed": changed[0]}


def _same(column: str) -> str:
    e, a = f"e.{column}", f"a.{column}"
    if column == "balance":
        return f"(coalesce(abs({e} - {a}) <= 0.01, FALSE) OR ({e} IS NULL AND {a} IS NULL))"
    if column in TEXTS:
        e, a = f"lower(trim({e}))", f"lower(trim({a}))"
    return f"{e} IS NOT DISTINCT FROM {a}"


def ours_parquet(folder: Path) -> Timed:
    from p2c_lib.reconcile import Snapshot

    return _ours([Snapshot(folder / f"{s}.parquet", _origin()) for s in ("expected", "actual")])


def ours_arrow(folder: Path) -> Timed:
    from pyarrow import parquet

    from p2c_lib.frames import EntityFrame

    return _ours([EntityFrame(parquet.read_table(folder / f"{s}.parquet"), _origin()) for s in ("expected", "actual")])


def _ours(sides: list[Any]) -> Timed:
    from types import SimpleNamespace

    import pandas  # noqa: F401  # DuckDB loads it with the first table it is given

    from p2c_lib.mapping.template import CompareRules
    from p2c_lib.reconcile import reconcile

    rules = CompareRules(tolerance={"balance": "0.01"}, trim=TEXTS, case=TEXTS)  # type: ignore[dict-item]
    template: Any = SimpleNamespace(task="benchmark", sha="", compare=rules, rule={}.get)
    started = perf_counter()
    result = reconcile(sides[0], sides[1], template)
    counts = dict(result.summary)
    result.report().to_text()
    return perf_counter() - started, counts


def _origin() -> Any:
    from datetime import UTC, datetime

    from p2c_lib.frames import Origin

    return Origin("sales", "", "", None, "rows", "", ("id",), datetime.now(UTC), None, True, "")


def datacompy_pandas(folder: Path) -> Timed:
    import datacompy
    import pandas as pd

    sides = [pd.read_parquet(folder / f"{s}.parquet") for s in ("expected", "actual")]
    for side in sides:
        side[["credit", "discount"]] = side[["credit", "discount"]].astype(float)
    started = perf_counter()
    compared = datacompy.PandasCompare(sides[0], sides[1], join_columns="id", **LENIENT)
    compared.report()
    return perf_counter() - started, None


def datacompy_polars(folder: Path) -> Timed:
    import datacompy
    import polars as pl

    sides = [pl.read_parquet(folder / f"{s}.parquet") for s in ("expected", "actual")]
    started = perf_counter()
    compared = datacompy.PolarsCompare(sides[0], sides[1], join_columns="id", **LENIENT)
    compared.report()
    return perf_counter() - started, None


CASES: dict[str, Callable[[Path], Timed]] = {
    f.__name__: f for f in (bare, ours_parquet, ours_arrow, datacompy_pandas, datacompy_polars)
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    spent, counted = CASES[sys.argv[1]](Path(sys.argv[2]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": round(spent, 3), "peak_mb": peak, "counts": counted}))
