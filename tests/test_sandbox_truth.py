"""The truth file is complete and right: what the workbench finds in the default company is what was planted in it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import p2c_lib as p2c
from p2c_lib.config import Workspace
from p2c_lib.frames import key_text

# Kinds that must keep a row from being sent, by source entity.
STOPPING = {
    "missing-key", "bad-country", "unknown-currency", "unmapped-unit", "bad-quantity", "zero-quantity",
}  # fmt: skip
TASKS = {
    "products": "SellableReleasedProducts",
    "accounts": "accounts",
    "contacts": "contacts",
    "contact-customers": "contacts",
    "quotes": "quotes",
    "quote-lines": "quotedetails",
}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[p2c.Session, list[dict[str, str]]]]:
    root = tmp_path_factory.mktemp("truth")
    session = p2c.connect("sandbox", workspace=Workspace(root))
    try:
        yield session, json.loads(next(root.rglob("truth.json")).read_text("utf-8"))
    finally:
        session.close()


@pytest.mark.parametrize("task", TASKS)
def test_what_is_quarantined_was_planted(walked: tuple[p2c.Session, list[dict[str, str]]], task: str):
    session, truth = walked
    template = p2c.template(task)
    source = session.extract(template.source)
    gate = p2c.check(p2c.map_frame(source, template, session), task)
    own = {text.split("|")[0] if task.startswith("contact") else text for text in _keys(source)}
    planted = {
        one["key"].lower()
        for one in truth
        if one["entity"] == TASKS[task] and one["kind"] in STOPPING | {"too-long"} and one["key"].lower() in own
    }
    found = {key.split("|")[0] if task == "contacts" else key for key in gate.quarantined.column("key").to_pylist()}
    numberless = {key for key in found if "no key" in key}
    cut = {one["key"].lower() for one in truth if one["kind"] == "too-long"}
    assert found - numberless <= planted
    assert planted - cut <= found
    missing = [one for one in truth if one["kind"] == "missing-key" and one["entity"] == TASKS[task]]
    assert len(numberless) == (len(missing) if task == "accounts" else 0)


def _keys(frame: p2c.EntityFrame) -> set[str]:
    return {text.lower() for text in key_text(frame.table, frame.key).to_pylist() if text}


def test_every_planted_difference_of_a_customer_is_found_with_its_column(
    walked: tuple[p2c.Session, list[dict[str, str]]],
):
    session, truth = walked
    template = p2c.template("accounts")
    gate = p2c.check(p2c.map_frame(session.extract(template.source), template, session), "accounts")
    compared = p2c.reconcile(gate.passed, session.extract(template.destination), template)
    found = {(row["key"], row["field"]) for row in compared.differences.to_pylist()}
    kinds = {"extra-deleted-at-source", "extra-never-ours", "other-company"}
    shops = _keys(gate.passed)
    planted = {
        (one["key"].lower(), one["column"])
        for one in truth
        if one["entity"] == "CustomersV2" and one["kind"] not in kinds and one["key"].lower() in shops
    }
    assert found == planted
    extra = [one for one in truth if one["entity"] == "CustomersV2" and one["kind"].startswith("extra")]
    assert compared.summary["extra"] == len(extra)
