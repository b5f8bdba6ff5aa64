"""What F&O says of a package, changed on its way: no end that is none, no success that is none, no wait without end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import IncompleteRead, Throttled
from p2c_lib.odata import Client, Patience
from p2c_lib.sandbox.process import Running
from tests.hasty import Hasty
from tests.troubled import Exchange, between

SECRET = "package-secret-0078"


@contextmanager
def saying(sandbox: Running, part: str, value: object, **patience: Any) -> Iterator[tuple[Client, Hasty, list[str]]]:
    """A client to whom one question about packages is answered so, and what was asked of that."""
    asked: list[str] = []

    def trouble(one: Exchange) -> None:
        if one.method == "PUT":  # a signed address, which gets no token
            return one.pass_on(place._passed(one))
        if part not in one.path:
            return one.pass_on()
        asked.append(one.path)
        return one.say_json(200, {"value": value} if "metadata" not in part else {"Value": value})

    with between(sandbox, SECRET) as place:
        place.trouble = trouble
        at, clock = place.finops_url, Hasty()
        here = Connection("x", "finops", at, "c", Secret.literal(SECRET), token_url=f"{at}/t/oauth2/v2.0/token")
        with Client(here, patience=Patience(**patience), clock=clock) as client:
            yield client, clock, asked


def load(client: Client) -> Any:
    groups = pa.table({"CustomerGroupId": ["10"], "Description": ["Wholesales"]})
    return client.load_package("CustomerGroups", groups, company="usmf")


NO_STATUS = [None, "", ["Succeeded"], " Succeeded ", "succeeded", 17, True, {"a": 1}, "<html>", "Done"]


@pytest.mark.parametrize("value", NO_STATUS, ids=repr)
def test_what_is_no_status_ends_the_wait(sandbox: Running, value: object) -> None:
    with (
        saying(sandbox, "GetExecutionSummaryStatus", value) as (client, clock, asked),
        pytest.raises(IncompleteRead) as caught,
    ):
        load(client)
    assert "which F&O has no import in" in caught.value.message
    assert "goes on in F&O" in (caught.value.hint or "")
    assert caught.value.can_retry
    assert len(asked) == 1
    assert clock.rests == []


@pytest.mark.parametrize("value", ["Executing", "Queued", "NotRun", "Unknown"])
def test_an_import_that_never_ends_is_waited_for_as_long_as_is_said(sandbox: Running, value: str) -> None:
    with (
        saying(sandbox, "GetExecutionSummaryStatus", value, package_seconds=90) as (client, clock, _),
        pytest.raises(Throttled) as caught,
    ):
        load(client)
    assert "not done after 90 s" in caught.value.message
    assert "package_seconds" in (caught.value.hint or "")
    assert 90 <= clock.at < 90 + 11


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (17, ["17"]),
        (None, ["null"]),
        ('{"a":1}', ['{"a": 1}']),
        ({"a": 1}, ["null"]),
        ("null", ["null"]),
        ("<html>busy", ["<html>busy"]),
        ('["bad"]', ["bad"]),
        (["bad", 5], ["bad", "5"]),
        ('[{"a":1}]', ['{"a": 1}']),
        ([{"RecordId": "2", "Key": "k", "ErrorMessage": "no"}], ["no"]),
    ],
)
def test_what_is_no_list_of_errors_is_none_of_no_errors(sandbox: Running, value: object, told: list[str]) -> None:
    with saying(sandbox, "GetExecutionErrors", value) as (client, _, _):
        result = load(client)
    assert (result.status, result.ok) == ("Succeeded", False)
    reasons = result.errors.column("reason").to_pylist()
    assert len(reasons) == len(told)
    assert all(said in reason for said, reason in zip(told, reasons, strict=True))


@pytest.mark.parametrize("value", ["", " ", "[]", []], ids=json.dumps)
def test_no_errors_are_none(sandbox: Running, value: object) -> None:
    with saying(sandbox, "GetExecutionErrors", value) as (client, _, _):
        assert load(client).ok


@pytest.mark.parametrize("value", ["x" * 1_001, "x" * 70_000, "é" * 40_000, " ", 17, None], ids=lambda v: repr(v)[:6])
def test_a_label_that_no_file_can_have_is_an_error_of_ours(sandbox: Running, value: object) -> None:
    with saying(sandbox, "metadata/Labels", value) as (client, _, _), pytest.raises(IncompleteRead) as caught:
        load(client)
    assert "of the entity cannot be understood" in caught.value.message
    assert len(str(caught.value)) < 400
