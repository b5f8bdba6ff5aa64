"""Frames: the key as text, pandas without loss, what a frame shows of itself."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa

from p2c_lib.frames import EntityFrame, Origin


def origin(**parts: object) -> Origin:
    whole = {
        "app": "sales",
        "url": "http://127.0.0.1:1",
        "organisation": "org",
        "company": None,
        "entity_set": "accounts",
        "query": "/api/data/v9.2/accounts",
        "key": ("accountnumber",),
        "read_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "server_count": 2,
        "complete": True,
        "note": "",
    }
    return Origin(**(whole | parts))  # type: ignore[arg-type]


def frame(**columns: object) -> EntityFrame:
    return EntityFrame(pa.table(columns), origin())


def test_pandas_keeps_integers_with_nulls_and_money_exact() -> None:
    money = pa.array([Decimal("0.1000"), None], pa.decimal128(38, 4))
    made = EntityFrame(pa.table({"i": pa.array([2**62 + 1, None]), "m": money, "@etag": ["a", "b"]}), origin())
    assert list(made.df.columns) == ["i", "m"]
    assert made.df["i"].tolist()[0] == 2**62 + 1
    assert made.df["m"].tolist()[0] == Decimal("0.1000")
    assert len(made) == 2
    assert made.key == ("accountnumber",)


def test_a_frame_shows_its_origin_and_escapes_what_customers_wrote() -> None:
    made = frame(accountnumber=["<script>alert(1)</script>"], name=["<b>"])
    html = made._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "the service counts 2" in html
    assert repr(made) == "EntityFrame(sales accounts, 1 rows x 2 columns, complete)"


def test_a_frame_of_a_part_says_so() -> None:
    made = EntityFrame(pa.table({"a": [1]}), origin(complete=False, note="company USMF only"))
    assert "part: company USMF only" in repr(made)
    assert made.to_dict()["origin"]["note"] == "company USMF only"
    assert made.to_dict()["columns"] == {"a": "int64"}


def test_other_rows_keep_the_origin_and_leave_the_frame_as_it_was() -> None:
    made = frame(a=[1, 2])
    assert len(made.with_table(made.table.slice(0, 1))) == 1
    assert len(made) == 2
