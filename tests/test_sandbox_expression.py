"""The expression language: what is read, and that nothing else than `Malformed` comes of what cannot be."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.expression import (
    And,
    Compare,
    EnumLiteral,
    Function,
    Lambda,
    Literal,
    Malformed,
    Not,
    Or,
    Path,
    Term,
    moment,
    parse_filter,
    parse_key,
    parse_order,
)

NAME = Path(("name",))


def equal(value: object, kind: str = "int") -> Compare:
    """``name eq value``."""
    return Compare("eq", NAME, Literal(kind, value))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("name eq 1 or name eq 2 and name eq 3", Or((equal(1), And((equal(2), equal(3)))))),
        ("(name eq 1 or name eq 2) and name eq 3", And((Or((equal(1), equal(2))), equal(3)))),
        ("not name eq 1", Not(equal(1))),
        ("name eq 'O''Neil'", equal("O'Neil", "string")),
        ("name eq -1.5e3", equal(-1500.0, "decimal")),
        ("name eq null", equal(None, "null")),
        ("name eq true", equal(True, "bool")),
        ("name eq 2024-02-29", equal("2024-02-29", "date")),
        ("name eq 2024-02-29T01:30:00+02:00", equal("2024-02-28T23:30:00Z", "datetime")),
        ("a/b/c eq 1", Compare("eq", Path(("a", "b", "c")), Literal("int", 1))),
        ("N.S.Type'Member' eq name", Compare("eq", EnumLiteral("N.S.Type", "Member"), NAME)),
        ("f(name,'x')", Function("f", (NAME, Literal("string", "x")))),
        ("N.F(a='x',b=[1,2])", Function("N.F", (), (("a", Literal("string", "x")), ("b", Literal("list", [1, 2]))))),
        (
            "kids/any(k:k/name eq 1)",
            Lambda(Path(("kids",)), False, "k", Compare("eq", Path(("k", "name")), Literal("int", 1))),
        ),
    ],
)
def test_a_filter_becomes_a_tree(text: str, tree: object) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("name eq", "Expression expected but the end found", 7),
        ("name eq 'x", "An unterminated string literal", 8),
        ("name eq 1 2", "Syntax error: '2' is not expected", 10),
        ("(name eq 1", "')' expected but the end found", 10),
        ("name eq 1 eq 2", "A comparison cannot be compared again without parentheses", 10),
        ("name eq #", "The character '#' is not expected", 8),
        ("name eq 2023-02-29", "'2023-02-29' is not a date that exists", 8),
        ("kids/all()", "'all' needs a variable and a condition", 9),
        ("f([1,", "A list that is not JSON", 2),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, problem: str, position: int) -> None:
    with pytest.raises(Malformed) as caught:
        parse_filter(text)
    assert (caught.value.problem, caught.value.position) == (problem, position)


def test_orders_and_keys() -> None:
    assert parse_order("name desc, a/b asc,c") == (
        Term(NAME, True),
        Term(Path(("a", "b")), False),
        Term(Path(("c",)), False),
    )
    assert parse_key("a='x''y',b=2") == {"a": Literal("string", "x'y"), "b": Literal("int", 2)}
    assert parse_key("11111111-2222-4333-8444-55555555AAAA") == {
        "": Literal("guid", "11111111-2222-4333-8444-55555555aaaa")
    }
    for text in ("", "a=", "a='x',a='y'", "'x','y'", "a=b"):
        with pytest.raises(Malformed):
            parse_key(text)


@settings(max_examples=400, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*"()[],:/'= \t", "a", "eq", "not", "1", "any"]), max_size=30).map("".join)
)
def test_reading_ends_in_a_tree_or_in_malformed(text: str) -> None:
    for read in (parse_filter, parse_order, parse_key):
        with suppress(Malformed):
            read(text)


@given(st.text())
def test_any_text_comes_back_from_its_literal(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert parse_filter(f"name eq {quoted}") == equal(text, "string")


@given(st.datetimes())
def test_a_moment_is_kept_to_the_second(when: object) -> None:
    text = f"{when:%Y-%m-%dT%H:%M:%S}".zfill(19)
    assert moment(f"{text}Z") == f"{text}Z"
