"""``p2c template`` and ``p2c reconcile`` as a consultant types them."""

import json
from pathlib import Path

import openpyxl
import pytest

from tests import warm


def p2c(home: Path, *words: str, code: int = 0) -> str:
    done = warm.answered(home, *words)
    assert done.returncode == code, done.stderr
    return done.stdout if code < 2 else done.stderr


def test_a_template_is_shown_exported_and_compared(tmp_path: Path) -> None:
    assert "CustomersV2" in p2c(tmp_path, "template", "show", "accounts")
    sheet = tmp_path / "accounts.xlsx"
    p2c(tmp_path, "template", "export", "accounts", str(sheet))
    cells = [cell.value for ws in openpyxl.load_workbook(sheet) for row in ws.iter_rows() for cell in row]
    assert {"accountnumber", "CustomerAccount"} <= set(cells)
    own = tmp_path / "mine.yml"
    p2c(tmp_path, "template", "export", "accounts", str(own))
    assert p2c(tmp_path, "template", "diff", "accounts", str(own)) == "The same.\n"
    own.write_text(own.read_text().replace("default: en-us", "default: de"))
    changed = json.loads(p2c(tmp_path, "template", "diff", "accounts", str(own), "--json", code=1))
    assert [c["place"] for c in changed["changes"]] == ["field LanguageId"]


def test_a_dual_write_map_becomes_a_template_to_begin_with(tmp_path: Path) -> None:
    p2c(tmp_path, "template", "export", "accounts", str(tmp_path / "map.json"))
    made = tmp_path / "imported.yml"
    p2c(tmp_path, "template", "import", str(tmp_path / "map.json"), str(made), "--task", "accounts", "--set", "")
    assert "CustomerAccount" in made.read_text()


def test_a_template_is_held_against_both_systems(tmp_path: Path) -> None:
    assert json.loads(p2c(tmp_path, "template", "validate", "accounts", "--json"))["ok"] is True


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["template", "show", "acounts"], "Did you mean 'accounts'?"),
        (["template", "show", "accounts", "--option", "x"], "Write --option name=choice."),
        (["template", "import", "no.json", "out.yml"], "no.json cannot be read"),
        (["template", "suggest", "accounts", "finops:CustomersV2"], "Write app:entity"),
        (["reconcile"], "or give --all"),
        (["duplicates", "decide", "vendors", "a", "b", "same"], "Unknown kind of party 'vendors'"),
        (["duplicates", "decide", "accounts", "a", "b", "perhaps"], "Unknown decision 'perhaps'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, words: list[str], says: str) -> None:
    assert says in p2c(tmp_path, *words, code=2)


def test_reconcile_says_how_the_systems_compare_and_writes_a_page(tmp_path: Path) -> None:
    found = json.loads(p2c(tmp_path, "reconcile", "products", "--json", code=1))
    assert set(found["tasks"]) == {"products"}
    assert found["tasks"]["products"]["match_rate"] > 0.5
    assert Path(found["report"]).read_text("utf-8").startswith("<!doctype html>")
