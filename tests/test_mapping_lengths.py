"""Validation knows the longest text a rule can give: what it says nothing about is never longer than the column."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.config import workspace
from p2c_lib.mapping import parse
from p2c_lib.mapping.chain import run
from p2c_lib.mapping.longest import LONGEST, longest_of
from p2c_lib.mapping.template import FieldRule
from p2c_lib.mapping.transforms import REGISTRY
from p2c_lib.mapping.validation import validate
from p2c_lib.session import Session, connect

HOLDS = 20
WORDS = st.text(st.sampled_from("abß 01-.,/eE😀é\u0301ﬃ\u0344ŉ") | st.characters(codec="utf-8"), max_size=9)
SHORT = WORDS.filter(lambda text: text.isprintable() and len(text) < 4)
VALUES = st.none() | WORDS | st.sampled_from(
    ["Norwegen", "CH", "hauts de seine", "Each", "yes", "nein", "31.12.2026", "2026-01-31", "1e-30", "-1234.5678",
     "2026-01-31T23:59:59.123456Z", "0001-01-01T00:00:00", "1,2,3", "12345678901234567890", "\u0958" * 9]
)  # fmt: skip
OTHERWISE = st.sampled_from([{}, {"otherwise": "keep"}, {"otherwise": "null"}])
ZONE = st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia"])
FORMS = st.sampled_from(["%A, %d %B %Y", "%d.%m.%Y", "%c"])
SEPARATOR = st.sampled_from(["", " ", ", "])
PAIRS = st.dictionaries(st.sampled_from(["a", "b", "1", "2", "yes"]), SHORT, min_size=1)
PLACES = st.integers(0, 8)


def _step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    main = next(iter(REGISTRY[name].parameters), None)
    given_main = arguments.pop(main, st.none()) if main else st.none()
    return st.builds(
        lambda first, rest, policy: {name: first, **rest, **policy},
        given_main,
        st.fixed_dictionaries(arguments),
        OTHERWISE,
    )


STEPS = {
    **{name: _step(name) for name in ("trim", "upper", "lower", "collapse", "whole")},
    "case": _step("case", to=st.sampled_from(["upper", "lower", "title", "sentence"])),
    "truncate": _step("truncate", length=st.integers(1, HOLDS)),
    "normal_form": _step("normal_form", form=st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"])),
    **{name: _step(name, text=SHORT) for name in ("prefix", "suffix", "remove_prefix", "remove_suffix")},
    "strip": _step("strip", characters=SHORT.filter(bool)),
    "replace": _step("replace", text=SHORT.filter(bool), by=SHORT),
    "pad": _step("pad", length=st.integers(1, HOLDS + 5), character=st.sampled_from(["0", "😀", "ab"])),
    "part": _step("part", number=st.integers(-2, 3).filter(bool), separator=st.sampled_from([" ", ",", "."])),
    "constant": _step("constant", value=SHORT),
    "value_map": _step("value_map", pairs=PAIRS, separator=st.sampled_from([None, ",", ", "])),
    "yes_no": _step("yes_no", to=st.sampled_from(["yes_no", "true_false", "one_zero"])),
    "country_code": _step("country_code", to=st.sampled_from(["iso2", "iso3", "name"])),
    "state_code": _step("state_code", country=st.sampled_from(["US", "FR"])),
    "unit": _step("unit", to=st.sampled_from(["finops", "sales"])),
    "read_date": _step("read_date", form=FORMS),
    "date_format": _step("date_format", form=FORMS | st.sampled_from(["%c %j", "%Y" * 5])),
    "shift_days": _step("shift_days", days=st.integers(-9, 9)),
    "in_zone": _step("in_zone", zone=ZONE),
    "from_zone": _step("from_zone", zone=ZONE),
    "read_number": _step("read_number"),
    "number_format": _step("number_format", places=PLACES, grouping=st.sampled_from(["", " "])),
    "round_to": _step("round_to", places=PLACES),
    "coalesce": _step("coalesce"),
    "concatenate": _step("concatenate", separator=SEPARATOR),
    "discount_per_unit": _step("discount_per_unit", places=PLACES),
    "discount_remainder": _step("discount_remainder", places=PLACES),
}
OF_THE_WORLD = {"today", "lookup"}
FIRST = [name for name in STEPS if REGISTRY[name].reads == "columns"]
THEN = [name for name in STEPS if REGISTRY[name].reads == "values"]


def test_every_transform_says_how_long_its_texts_are() -> None:
    assert set(LONGEST) == set(REGISTRY) == set(STEPS) | OF_THE_WORLD


def _steps(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(names).flatmap(STEPS.__getitem__)


CHAINS = st.tuples(st.lists(_steps(FIRST), max_size=1), st.lists(_steps(THEN), max_size=4)).map(
    lambda two: [*two[0], *two[1]]
)
ROWS = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6)


@settings(max_examples=int(os.environ.get("P2C_LENGTH_CHAINS", "300")), deadline=None)
@given(CHAINS, st.none() | SHORT, ROWS, st.tuples(st.none() | st.integers(0, 30), st.none() | st.integers(0, 30)))
def test_no_text_is_longer_than_is_said(
    chain: list[dict[str, Any]],
    default: str | None,
    rows: list[tuple[str | None, str | None]],
    lengths: tuple[int | None, int | None],
) -> None:
    joined = bool(chain) and next(iter(chain[0])) in FIRST
    paths = ["a", "b"][: 2 if joined else 1]
    rule = FieldRule.model_validate({"from": paths, "to": "x", "apply": chain, "default": default})
    known = lengths[: len(paths)]
    columns = [pa.array([_short(row[n], most) for row in rows], pa.string()) for n, most in enumerate(known)]
    said = longest_of(rule, known, lambda _app, _path: None)
    nobody: Any = None
    made = run(columns, rule, pa.string(), len(rows), nobody)
    if not said.by:
        assert all(len(text.encode("utf-16-le")) <= 2 * said.most for text in made.values.to_pylist() if text)


def _short(text: str | None, most: int | None) -> str | None:
    """A text that its column can hold."""
    while text and most is not None and len(text.encode("utf-16-le")) > 2 * most:
        text = text[:-1]
    return text


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    place: Path = tmp_path_factory.mktemp("lengths")
    with connect("sandbox", workspace=workspace(place)) as opened:
        yield opened


BACK = """\
{version: 1, task: back, title: Back, source: {app: finops, entity: SellableReleasedProducts},
 destination: {app: sales, entity: products}, key: {ProductNumber: productnumber},
 fields: [{from: ProductNumber, to: productnumber}, {from: ProductName, to: name, %s}]}"""


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("apply: [{truncate: 100}]", ""),
        ("apply: [{truncate: 100}, {suffix: '...'}]", "may have 103 characters, name holds 100"),
        ("apply: [{truncate: 97}, {suffix: '...'}]", ""),
        ("apply: [{truncate: 99}, {prefix: '😀'}]", "101"),
        ("apply: [{truncate: 100}, {pad: 120}]", "120"),
        ("apply: [{truncate: 100}, {replace: ' ', by: ' - '}]", "300"),
        ("apply: [{truncate: 100}, {normal_form: NFKC}]", "1800"),
        ("apply: [{truncate: 100}, {number_format: 2}]", "the number may make it longer again"),
        ("apply: [{truncate: 100}, {number_format: 2}, {truncate: 100}]", ""),
        ("apply: [{truncate: 3}, {lookup: CustomersV2.OrganizationName, by: CustomerAccount}]", "lookup may make it"),
        ("apply: [{truncate: 3}, {value_map: {a: %s}}]" % ("b" * 101), "101"),
        ("apply: [{truncate: 3}], default: %s" % ("b" * 101), "101"),
        ("apply: [{truncate: 3}, {value_map: {a: b}, otherwise: keep}]", ""),
        ("apply: [upper]", ""),
    ],
)  # fmt: skip
def test_what_lengthens_after_a_cut_is_told(session: Session, rule: str, word: str) -> None:
    found = [f.message for f in validate(parse(BACK % rule), session).findings if f.code == "LENGTH"]
    assert [f for f in found if word not in f or not word] == []
    assert bool(found) == bool(word), found


def test_a_constant_that_is_too_long_is_told(session: Session) -> None:
    made = parse(
        (BACK % "default: x").replace("from: ProductName, to: name, default: x", f"to: name, default: {'y' * 101}")
    )
    (found,) = [f for f in validate(made, session).findings if f.code == "LENGTH"]
    assert "The value may have 101 characters, name holds 100." in found.message
