"""The F&O side against a second opinion: filters against plain Python, many writers against arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.finops import FinOps
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.wire import Call

SETS = entities("finops")
NAMES = [None, "", "Alpha", "alpha ", "ALPHABET", "beta", "Be", "10%", "a_b", "O'Neil"]
LIMITS = [None, 0, -5, 1.5, 10, 1000]
MEMBERS = [None, "Unknown", "Male", "Female"]


@pytest.fixture(scope="module")
def finops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinOps]:
    with open_store(tmp_path_factory.mktemp("agrees")) as store:
        with store.write():
            rows = [
                ("usmf", f"C-{a}-{b}-{c}", name and name.rstrip(), limit, member)
                for a, name in enumerate(NAMES)
                for b, limit in enumerate(LIMITS)
                for c, member in enumerate(MEMBERS)
            ]
            columns = ["dataAreaId", "CustomerAccount", "OrganizationName", "CreditLimit", "PersonGender"]
            store.insert_many(SETS["CustomersV2"], columns, rows)
        yield FinOps(store)


def asked(finops: FinOps, text: str) -> set[str]:
    query = f"$select=CustomerAccount&$filter={quote(text)}"
    answer = finops.answer(Call("GET", "/data/CustomersV2", query, {}, b"", "http://finops.test"))
    assert answer.status == 200, answer.body
    return {row["CustomerAccount"] for row in json.loads(answer.body)["value"]}


def expected(name: str, op: str, value: object) -> set[str]:
    found = set()
    for a, text in enumerate(NAMES):
        for b, limit in enumerate(LIMITS):
            for c, member in enumerate(MEMBERS):
                have = {"OrganizationName": (text or "").rstrip().lower(), "CreditLimit": limit or 0}[name]
                wanted = value.rstrip().lower() if isinstance(value, str) else value
                equal = (
                    fnmatchcase(str(have), wanted.replace("[", "[[]"))
                    if isinstance(wanted, str) and "*" in wanted
                    else have == wanted
                )
                holds = {
                    "eq": lambda e=equal: e,
                    "ne": lambda e=equal: not e,
                    "gt": lambda h=have, w=wanted: h > w,
                    "ge": lambda h=have, w=wanted: h >= w,
                    "lt": lambda h=have, w=wanted: h < w,
                    "le": lambda h=have, w=wanted: h <= w,
                }[op]()
                if holds:
                    found.add(f"C-{a}-{b}-{c}")
                del member
    return found


TEXTS = st.sampled_from(["", "alpha", "Alpha ", "alp*", "*a", "*", "b*", "10%", "a_b", "axb", "O'Neil", "zeta"])
NUMBERS = st.sampled_from([0, -5, 1.5, 10, 11, -6])
ORDERED = st.sampled_from(["gt", "ge", "lt", "le"])
EQUAL = st.sampled_from(["eq", "ne"])
PLAIN = TEXTS.filter(lambda text: "*" not in text)
COMPARISONS = st.one_of(
    st.tuples(st.just("OrganizationName"), EQUAL, TEXTS),
    st.tuples(st.just("OrganizationName"), ORDERED, PLAIN),
    st.tuples(st.just("CreditLimit"), st.one_of(EQUAL, ORDERED), NUMBERS),
)


def text_of(comparison: tuple[str, str, object]) -> str:
    name, op, value = comparison
    doubled = value.replace("'", "''") if isinstance(value, str) else ""
    return f"{name} {op} '{doubled}'" if isinstance(value, str) else f"{name} {op} {value}"


@settings(max_examples=120, deadline=None)
@given(COMPARISONS, st.sampled_from(["and", "or"]), COMPARISONS, st.booleans())
def test_filters_agree_with_plain_python(
    finops: FinOps, one: tuple[str, str, object], word: str, other: tuple[str, str, object], negated: bool
):
    left, right = expected(*one), expected(*other)
    both = left & right if word == "and" else left | right
    text = f"{text_of(one)} {word} {text_of(other)}"
    if negated:
        every = expected("CreditLimit", "gt", -1e9)
        assert asked(finops, f"not ({text})") == every - both
    else:
        assert asked(finops, text) == both


@pytest.mark.parametrize("member", ["Unknown", "Male"])
@pytest.mark.parametrize("op", ["eq", "ne"])
def test_enum_filters_agree_with_plain_python(finops: FinOps, op: str, member: str):
    have = {
        f"C-{a}-{b}-{c}": value or "Unknown"
        for a in range(len(NAMES))
        for b in range(len(LIMITS))
        for c, value in enumerate(MEMBERS)
    }
    wanted = {key for key, value in have.items() if (value == member) == (op == "eq")}
    assert asked(finops, f"PersonGender {op} Microsoft.Dynamics.DataEntities.Gender'{member}'") == wanted


def test_enums_sort_by_their_value_and_texts_without_case(finops: FinOps):
    def first(order: str) -> dict[str, object]:
        call = Call("GET", "/data/CustomersV2", f"$orderby={quote(order)}&$top=1", {}, b"", "http://finops.test")
        return json.loads(finops.answer(call).body)["value"][0]

    assert first("PersonGender")["PersonGender"] == "Unknown"
    assert first("PersonGender desc")["PersonGender"] == "Female"
    assert first("OrganizationName desc")["OrganizationName"] == "O'Neil"


def test_many_writers_lose_nothing_and_double_nothing(tmp_path: Path):
    def write(number: int) -> int:
        body = {"CustomerAccount": f"C-{number % 150}", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}
        call = Call("POST", "/data/CustomersV2", "", {}, json.dumps(body).encode(), "http://finops.test")
        return finops.answer(call).status

    with open_store(tmp_path) as store:
        with store.write():
            add_references(store, currencies=())
        finops = FinOps(store)
        with ThreadPoolExecutor(12) as pool:
            statuses = list(pool.map(write, range(300)))
        assert sorted(set(statuses)) == [201, 400]
        assert statuses.count(201) == 150 == rows(store)
        versions = [v for (v,) in store.connection.execute("SELECT _version FROM finops_customersv2")]
        assert set(versions) == {1}
    with open_store(tmp_path) as again:
        assert rows(again) == 150


def rows(store: Store) -> int:
    return store.count(SETS["CustomersV2"])
