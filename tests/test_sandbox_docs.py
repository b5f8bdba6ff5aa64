"""The page about the sandbox names everything a user can set, meet or load."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from p2c_lib.sandbox.dataverse.documented import ACTIONS, FUNCTIONS
from p2c_lib.sandbox.dataverse.memory_sets import NAMES
from p2c_lib.sandbox.dataverse.operations import BY_NAME
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.faults import PROFILES, Faults
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.finops.blobs import Blobs
from p2c_lib.sandbox.finops.packages import Packages
from p2c_lib.sandbox.finops.rules import Rules
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.seed import seed
from p2c_lib.sandbox.store import Store

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "sandbox.md").read_text("utf-8")


@pytest.mark.parametrize("name", [one.name for one in fields(Switches)])
def test_every_switch_is_in_the_table_with_its_default(name: str):
    default = str(getattr(Switches(), name))
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert default in row.split("|")[3]


@pytest.mark.parametrize("name", [one.name for one in fields(SalesSwitches)])
def test_every_switch_of_sales_is_in_its_table_with_its_default(name: str):
    default = getattr(SalesSwitches(), name)
    shown = ", ".join(default) if isinstance(default, tuple) else str(default)
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    assert any(line.split("|")[2].strip() == shown for line in rows)


@pytest.mark.parametrize("name", [one.name for one in fields(Faults)] + list(PROFILES))
def test_every_fault_and_profile_is_named(name: str):
    assert f"`{name}`" in PAGE


def test_every_entity_set_is_named():
    words = set(re.findall(r"\w+", PAGE))
    assert set(entities("finops")) <= words
    assert {one.name for one in entities("sales").values()} <= words


def test_every_kind_of_defect_is_named(tmp_path: Path):
    missing = [kind for kind in seed(tmp_path).defects if f"`{kind}`" not in PAGE]
    assert missing == []


def test_every_source_that_is_cited_is_listed():
    text, _, listed = PAGE.partition("## Sources")
    cited = {one for group in re.findall(r"\[([A-Z][^\]]*)\]", text) for one in re.findall(r"\b[A-Z]\d+\w?\b", group)}
    assert cited
    assert cited <= set(re.findall(r"\b[A-Z]\d+\w?\b", listed))


def test_every_function_and_action_of_sales_is_listed_and_no_other():
    text = PAGE.partition("### Functions and actions of Sales")[2].partition("The rest of the published lists")[0]
    assert set(re.findall(r"`(\w+)`", text)) == set(BY_NAME)
    rest = PAGE.partition("The rest of the published lists")[2].partition("## ")[0]
    missing = set(re.findall(r"`([A-Z]\w+)`", rest)) - set(BY_NAME)
    assert missing <= FUNCTIONS | ACTIONS
    assert "Merge" in missing


def test_every_small_set_is_named():
    assert [name for name in NAMES if f"`{name}`" not in PAGE] == []


def test_the_package_actions_are_named(store: Store):
    packages = Packages(store, Rules(store, Switches()), Blobs())
    short = {name.removesuffix("Async") for name in packages.actions}
    files = {"GetImportStagingErrorFileUrl", "GenerateImportTargetErrorKeysFile", "GetImportTargetErrorKeysFileUrl"}
    assert all(name in PAGE for name in short - files)
    assert "the error files" in PAGE
