"""Frames: the key as text, pandas without loss, what a frame shows of itself."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.frames import EntityFrame, Origin, key_text


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


def test_a_key_is_trimmed_and_casefolded_text() -> None:
    table = pa.table({"n": [" QUO-1 ", "Straße", None, ""]})
    assert key_text(table, ["n"]).to_pylist() == ["quo-1", "strasse", None, ""]


def test_whole_numbers_have_one_text_in_every_type() -> None:
    decimals = pa.array([Decimal("1.0000"), Decimal("10.50"), Decimal(100)], pa.decimal128(38, 4))
    table = pa.table({"d": decimals, "f": [1.0, 10.5, 100.0], "i": [1, 10, 100], "day": [date(2026, 1, 2)] * 3})
    assert key_text(table, ["d"]).to_pylist() == ["1", "10.5", "100"]
    assert key_text(table, ["f"]).to_pylist() == ["1", "10.5", "100"]
    assert key_text(table, ["i"]).to_pylist() == ["1", "10", "100"]
    assert key_text(table, ["day"]).to_pylist() == ["2026-01-02"] * 3


def test_a_composite_key_joins_its_parts_and_is_null_without_one_of_them() -> None:
    table = pa.table({"q": ["Q-1", "Q-1", None], "n": [1, None, 3]})
    assert key_text(table, ["q", "n"]).to_pylist() == ["q-1|1", None, None]


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=2, max_size=2))
def test_two_different_composite_keys_never_share_a_text(pairs: list[tuple[str, str]]) -> None:
    one, other = key_text(pa.table({"a": [p[0] for p in pairs], "b": [p[1] for p in pairs]}), ["a", "b"]).to_pylist()
    parts = [tuple(key_text(pa.table({"a": [v]}), ["a"])[0].as_py() for v in pair) for pair in pairs]
    assert (one == other) == (parts[0] == parts[1])


def test_a_key_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"accountnumbr.*Did you mean 'accountnumber'"):
        key_text(pa.table({"accountnumber": ["1"]}), ["accountnumbr"])
    with pytest.raises(FrameError):
        key_text(pa.table({"a": ["1"]}), [])


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
