"""Keys: one text in Python, Arrow and SQL, and two texts are one key exactly where the system says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.keys import RowKey, add_keys, fold, folded, ignores, key_spellings, named_key

# What a piece of text is to Sales and to F&O, written by hand: two texts are one key where these agree.
PIECES: dict[str, tuple[str, str]] = {
    **{c: (c.lower(), c.lower()) for c in "AaZz019-_.'\"()/+*%&?#"},
    "|": ("|", "|"),
    "\\": ("\\", "\\"),
    "x y": ("x y", "x y"),
    "é": ("e", "é"),
    "e\u0301": ("e", "é"),
    "É": ("e", "é"),
    "E": ("e", "e"),
    "Å": ("a", "å"),
    "\u212b": ("a", "å"),
    "ñ": ("n", "ñ"),
    "ß": ("ss", "ss"),
    "ẞ": ("ss", "ss"),
    "SS": ("ss", "ss"),
    "ø": ("ø", "ø"),
    "Ø": ("ø", "ø"),
    "Ａ": ("a", "a"),
    "７": ("7", "7"),
    "\uff5c": ("|", "|"),
    "Σ": ("σ", "σ"),
    "ς": ("σ", "σ"),
    "ά": ("α", "ά"),
    "Ά": ("α", "ά"),
    "Й": ("и", "й"),
    "и": ("и", "и"),
    "Ё": ("е", "ё"),
    "ガ": ("か", "が"),
    "が": ("か", "が"),
    "ｶﾞ": ("か", "が"),
    "カ": ("か", "か"),
    "한": ("한", "한"),
    "ไก่": ("ไก", "ไก่"),
    "กุ": ("กุ", "กุ"),
    "ก": ("ก", "ก"),
    "شَ": ("ش", "شَ"),
    "ش": ("ش", "ش"),
    "क्ष": ("क्ष", "क्ष"),
    "İ": ("i", "i\u0307"),
    "\u00b4": ("\u00b4", "\u00b4"),
    "≠": ("≠", "≠"),
    "\u0385": ("\u0385", "\u0385"),
    "\uffe3": ("\uffe3", "\uffe3"),
    "漢": ("漢", "漢"),
    "🙂": ("🙂", "🙂"),
}
BLANKS = st.sampled_from(["", " ", "  ", "\t", "\n", "\x1c", "\u00a0", "\u3000"])
LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
APPS = ("sales", "finops")
Pair = tuple[Any, tuple[str, str]]


@st.composite
def written(draw: st.DrawFn) -> Pair:
    """A text, and what it is to each system."""
    pieces = draw(st.lists(st.sampled_from(sorted(PIECES)), max_size=4))
    before, after = draw(BLANKS), draw(BLANKS)
    keys = [_blank(before) + "".join(PIECES[p][at] for p in pieces) + _blank(after) for at in range(len(APPS))]
    while any(key.endswith(" ") for key in keys):
        keys = [key[:-1] if key.endswith(" ") else key for key in keys]
    return before + "".join(pieces) + after, (keys[0], keys[1])


def _blank(text: str) -> str:
    """Blanks as a system sees them: the wide one and the one that does not break are blanks like others."""
    return text.replace("\u00a0", " ").replace("\u3000", " ")


def same(made: Callable[[Any], str]) -> Callable[[Any], Pair]:
    return lambda value: (value, (made(value), made(value)))


def plain(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    whole = "".join(map(str, digits)).rjust(-exponent + 1, "0") + "0" * max(exponent, 0)
    text = (whole[:exponent] + "." + whole[exponent:]).rstrip("0").rstrip(".") if exponent < 0 else whole
    text = text.lstrip("0") or "0"
    text = f"0{text}" if text.startswith(".") else text
    return f"-{text}" if sign and text != "0" else text


def moment(value: datetime) -> str:
    parts = [f"{value.year:04}-{value.month:02}-{value.day:02}t{value.hour:02}:{value.minute:02}:{value.second:02}"]
    if value.microsecond:
        parts.append(f".{value.microsecond:06}".rstrip("0"))
    return "".join(parts)


def in_utc(at: datetime) -> Pair:
    return at.replace(tzinfo=UTC), (f"{moment(at)}z", f"{moment(at)}z")


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Pair]]] = {
    "text": (pa.string(), written()),
    "large": (pa.large_string(), written()),
    "word": (pa.dictionary(pa.int32(), pa.string()), written()),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1).map(same(str))),
    "small": (pa.int16(), st.integers(-5, 5).map(same(str))),
    "money": (pa.decimal128(19, 4), st.decimals(-99999, 99999, places=4).map(same(plain))),
    "rate": (pa.decimal128(38, 16), st.decimals(-9, 9, places=16).map(same(plain))),
    "share": (pa.decimal128(4, 4), st.decimals("-0.9999", "0.9999", places=4).map(same(plain))),
    "float": (pa.float64(), FLOATS.map(same(lambda number: plain(Decimal(repr(number)))))),
    "day": (pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31)).map(same(str))),
    "at": (pa.timestamp("us"), MOMENTS.map(same(moment))),
    "zoned": (pa.timestamp("us", "UTC"), MOMENTS.map(in_utc)),
    "flag": (pa.bool_(), st.booleans().map(same(lambda b: "true" if b else "false"))),
}  # fmt: skip


@st.composite
def keyed(draw: st.DrawFn) -> tuple[RowKey, pa.Table, list[tuple[str, ...] | None]]:
    """A key, rows, and what each row's key is, part by part; None where it has none."""
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True))
    app = draw(st.sampled_from(APPS))
    optional = frozenset(draw(st.sets(st.sampled_from(names)))) if len(names) > 1 else frozenset()
    rows = draw(st.integers(1, 6))
    columns: dict[str, list[Pair | None]] = {
        name: draw(st.lists(st.none() | KINDS[name][1], min_size=rows, max_size=rows)) for name in names
    }
    table = pa.table(
        {
            name: pa.array([None if v is None else v[0] for v in values], KINDS[name][0])
            for name, values in columns.items()
        }
    )
    place = APPS.index(app)
    keys: list[tuple[str, ...] | None] = []
    for values in zip(*columns.values(), strict=True):
        parts = tuple("" if v is None else v[1][place] for v in values)
        lacking = any(not part and name not in optional for name, part in zip(names, parts, strict=True))
        keys.append(None if lacking or not any(parts) else parts)
    return RowKey(tuple(names), app, optional), table, keys


def in_sql(key: RowKey, table: pa.Table) -> list[str | None]:
    with duckdb.connect(":memory:") as database:
        add_keys(database)
        database.register("t", table.append_column("@n", pa.array(range(table.num_rows))))
        return [k for (k,) in database.sql(f'SELECT {key.sql(table.schema)} FROM t ORDER BY "@n"').fetchall()]


@settings(max_examples=150, deadline=None, suppress_health_check=LARGE)
@given(keyed())
def test_a_key_is_one_text_in_arrow_in_sql_and_row_by_row(
    made: tuple[RowKey, pa.Table, list[tuple[str, ...] | None]],
) -> None:
    key, table, truth = made
    found = key.texts(table).to_pylist()
    assert in_sql(key, table) == found
    assert [key.of(row) for row in table.to_pylist()] == found
    assert [k is None for k in found] == [parts is None for parts in truth]
    for at, parts in enumerate(truth):
        assert [k == found[at] for k in found] == [other == parts for other in truth]
        if parts is not None and len(parts) == 1:
            assert found[at] == parts[0]


@given(st.lists(written(), min_size=1, max_size=4))
def test_a_key_that_was_kept_or_typed_is_found_again(texts: list[Pair]) -> None:
    for app in APPS:
        key = RowKey(tuple(str(n) for n in range(len(texts))), app, frozenset(str(n) for n in range(len(texts))))
        made = key.of({str(n): text for n, (text, _) in enumerate(texts)})
        if made is not None:
            assert key.given(made) == made
            assert named_key(made.upper() if made.isascii() else made, app, [made]) == made


@given(st.text(max_size=6))
def test_folding_settles_at_once_and_sales_is_the_coarser(text: str) -> None:
    for app in APPS:
        once = fold(text, app)
        assert fold(once, app) == once
        assert fold(f"{text}  ", app) == once
        assert fold(f" {text}x", app) != fold(f"{text}x", app)
        assert fold(f"{text}x\t", app) != fold(f"{text}x", app)
        assert folded(pa.chunked_array([[text, None]]), app).to_pylist() == [once, None]
    assert fold(fold(text, "finops"), "sales") == fold(text, "sales")


def test_the_two_systems_see_accents_differently() -> None:
    spelt = pa.table({"k": ["CAFÉ-1", "Cafe-1 ", "ＣＡＦＥ-1", "cafe\u0301-1"]})
    assert RowKey(("k",), "sales").texts(spelt).to_pylist() == ["cafe-1"] * 4
    assert RowKey(("k",), "finops").texts(spelt).to_pylist() == ["café-1", "cafe-1", "cafe-1", "café-1"]
    assert (ignores("sales"), ignores("finops")) == (
        "Sales ignores case, accents and blanks at the end",
        "F&O ignores case and blanks at the end",
    )


def test_an_empty_part_is_a_value_where_the_column_may_be_empty() -> None:
    rows = pa.table({"item": ["A", "A", None, None, "A"], "colour": ["", None, "Red", None, "Red"]})
    key = RowKey(("item", "colour"), "finops", frozenset({"colour"}))
    assert key.texts(rows).to_pylist() == ["a|", "a|", None, None, "a|red"]
    assert RowKey(("item", "colour"), "finops").texts(rows).to_pylist() == [None, None, None, None, "a|red"]
    both = RowKey(("item", "colour"), "finops", frozenset({"item", "colour"}))
    assert both.texts(rows).to_pylist() == ["a|", "a|", "|red", None, "a|red"]


def test_what_a_person_types_may_be_a_key_of_one_column_or_of_several() -> None:
    assert named_key(" Q-1 | 2 ", "finops", ["q-1|2"]) == "q-1|2"
    assert named_key("A|1", "finops", ["a|1"]) == "a|1"
    assert named_key("Café", "sales", ["café"]) == "café", "as it was kept before accents were left out"
    assert key_spellings("Café", "sales")[0] == "cafe"


def test_a_key_that_cannot_be_is_an_error() -> None:
    with pytest.raises(UnknownName, match=r"accountnumbr.*Did you mean 'accountnumber'"):
        RowKey(("accountnumbr",), "sales").texts(pa.table({"accountnumber": ["1"]}))
    with pytest.raises(FrameError):
        RowKey((), "sales")
    with pytest.raises(UnknownName):
        RowKey(("a",), "crm")


def test_whole_numbers_have_one_text_in_every_type() -> None:
    decimals = pa.array([Decimal("1.0000"), Decimal("10.50"), Decimal(100)], pa.decimal128(38, 4))
    days = pa.array([date(2026, 1, 2) + timedelta(n) for n in range(3)])
    table = pa.table({"d": decimals, "f": [1.0, 10.5, 100.0], "i": [1, 10, 100], "day": days})
    assert RowKey(("d",), "sales").texts(table).to_pylist() == ["1", "10.5", "100"]
    assert RowKey(("f",), "sales").texts(table).to_pylist() == ["1", "10.5", "100"]
    assert RowKey(("i",), "sales").texts(table).to_pylist() == ["1", "10", "100"]
    assert RowKey(("day",), "sales").texts(table).to_pylist() == ["2026-01-02", "2026-01-03", "2026-01-04"]
