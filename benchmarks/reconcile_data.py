"""Two sides of a company's rows with planted differences and the truth about them, written as Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

TEXTS = ("name", "street", "city", "state", "zip", "country", "email", "phone", "segment", "note")


def write_sides(folder: Path, rows: int) -> dict[str, Any]:
    """``expected.parquet`` and ``actual.parquet`` of ``rows`` rows x 20 columns; returns what was planted.

    1 % of the rows stand on one side only, 0.05 % of the keys stand twice on a side, 1.98 % differ in one to three
    columns, 0.99 % differ by what the rules tolerate (case and outer space of a name, half a cent of a balance); nulls
    stand on both sides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(":memory:")
    database.execute(f"SET temp_directory = '{folder}/.spill'")
    columns = ", ".join(COLUMNS)
    database.execute(
        f"CREATE VIEW base AS SELECT i, {columns} FROM (SELECT range AS i FROM range({rows + rows // 100}))"
    )
    only, twice = rows // 100, rows // 2000
    for side in ("expected", "actual"):
        low = 0 if side == "expected" else only
        changed = _changed() if side == "actual" else "*"
        extra = low + only + (0 if side == "expected" else twice)
        database.execute(
            f"COPY (SELECT * EXCLUDE i FROM (SELECT {changed} FROM base WHERE i >= {low} AND i < {low + rows} "
            f"UNION ALL SELECT * FROM base WHERE i >= {extra} AND i < {extra + twice})) "
            f"TO '{folder}/{side}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
    truth = _truth(database, rows, only, twice)
    (folder / "truth.json").write_text(json.dumps(truth))
    database.close()
    return truth


COLUMNS = (
    "'K' || lpad(i::VARCHAR, 9, '0') AS id",
    "CASE WHEN i % 97 = 5 THEN NULL ELSE 'Customer ' || (hash(i) % 500000) || ' Ltd' END AS name",
    "(hash(i + 1) % 9000) || ' Main Street' AS street",
    "'City ' || (hash(i + 2) % 2000) AS city",
    "'State ' || (hash(i + 3) % 50) AS state",
    "lpad((hash(i + 4) % 99999)::VARCHAR, 5, '0') AS zip",
    "CASE hash(i + 5) % 3 WHEN 0 THEN 'USA' WHEN 1 THEN 'DEU' ELSE 'FRA' END AS country",
    "'c' || i || '@example.com' AS email",
    "'+1 425 555 ' || lpad((hash(i + 6) % 10000)::VARCHAR, 4, '0') AS phone",
    "CASE WHEN i % 5 = 0 THEN NULL ELSE 'S' || (hash(i + 7) % 9) END AS segment",
    "CASE WHEN i % 3 = 0 THEN NULL ELSE 'note ' || (hash(i + 8) % 1000000) END AS note",
    "((hash(i + 9) % 100000000) / 100.0)::DOUBLE AS balance",
    "((hash(i + 10) % 1000000) / 100.0)::DECIMAL(19, 4) AS credit",
    "((hash(i + 11) % 10000) / 100.0)::DECIMAL(19, 4) AS discount",
    "(hash(i + 12) % 5000)::INTEGER AS employees",
    "(hash(i + 13) % 9000000000)::BIGINT AS big",
    "CASE WHEN i % 7 = 0 THEN NULL ELSE (hash(i + 14) % 4)::INTEGER END AS kind",
    "DATE '2010-01-01' + (hash(i + 15) % 5000)::INTEGER AS since",
    "TIMESTAMP '2020-01-01' + INTERVAL 1 SECOND * (hash(i + 16) % 99999999)::INTEGER AS modified",
    "hash(i + 17) % 2 = 0 AS active",
)
# What is changed on the actual side, by the number of the row within 10,000.
PLANTED = {
    "city": ("i % 10000 BETWEEN 5000 AND 5197", "city || ' x'"),
    "employees": ("i % 10000 BETWEEN 5000 AND 5098", "employees + 1"),
    "credit": ("i % 10000 BETWEEN 5050 AND 5149", "credit + 5"),
}
TOLERATED = {
    "name": ("i % 10000 BETWEEN 6000 AND 6049", "upper(name) || ' '"),
    "balance": ("i % 10000 BETWEEN 6050 AND 6098", "balance + 0.004"),
}


def _changed() -> str:
    cases = {**PLANTED, **TOLERATED}
    return "* REPLACE (" + ", ".join(f"CASE WHEN {w} THEN {v} ELSE {c} END AS {c}" for c, (w, v) in cases.items()) + ")"


def _truth(database: duckdb.DuckDBPyConnection, rows: int, only: int, twice: int) -> dict[str, Any]:
    """What a comparison must count: keys that stand twice on a side pair with none."""
    dup = f"(i >= {only} AND i < {only + twice}) OR (i >= {2 * only + twice} AND i < {2 * only + 2 * twice})"
    both = f"i >= {only} AND i < {rows} AND NOT ({dup})"
    any_change = " OR ".join(w for w, _ in PLANTED.values())

    def count(where: str) -> int:
        row = database.execute(f"SELECT count(*) FROM base WHERE {where}").fetchone()
        assert row is not None
        return int(row[0])

    per_field = {c: count(f"({both}) AND ({w})") for c, (w, _) in PLANTED.items()}
    changed = count(f"({both}) AND ({any_change})")
    return {
        "equal": count(both) - changed,
        "changed": changed,
        "missing": only,
        "extra": only,
        "duplicate": 6 * twice,
        "invalid": 0,
        "fields": per_field,
    }
