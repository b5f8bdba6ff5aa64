"""``p2c init`` makes what a project needs and never overwrites what is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2c_lib.config import shipped, workspace
from p2c_lib.errors import ConfigError
from p2c_lib.mapping import TASKS, known_tasks
from p2c_lib.new_workspace import new_workspace


@pytest.fixture(autouse=True)
def _no_named_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2C_WORKSPACE", raising=False)


def test_a_new_workspace_has_settings_notebooks_suites_and_a_place_for_templates(tmp_path: Path) -> None:
    made = new_workspace(tmp_path / "mine")
    here = workspace(tmp_path / "mine" / "notebooks")
    assert here.root == made.root == tmp_path / "mine"
    assert here.sets == ("sandbox", "test")
    assert here.connection_set("test").protected
    assert {here.suite(task).parent for task in TASKS} == {made.root / "expectations"}
    assert sorted(p.name for p in here.notebooks.glob("*")) == sorted(
        p.name for p in shipped("notebooks").glob("*.ipynb")
    )
    assert known_tasks(here) == TASKS
    assert made.kept == ()
    assert ".p2c/" in (made.root / ".gitignore").read_text("utf-8")


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "p2c.toml").write_text("# mine\n", encoding="utf-8")
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "accounts.json").write_text("{}", encoding="utf-8")
    made = new_workspace(tmp_path)
    assert made.kept == (Path("p2c.toml"), Path("expectations/accounts.json"))
    assert (tmp_path / "p2c.toml").read_text("utf-8") == "# mine\n"
    again = new_workspace(tmp_path)
    assert (again.made, set(again.kept)) == ((), {*made.made, *made.kept})


def test_a_file_cannot_become_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot become a workspace"):
        new_workspace(tmp_path / "file")


def test_the_command_says_what_it_made_and_what_to_do_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "p2c_lib.cli", "init", str(tmp_path / "new")]
    first = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert first.returncode == 0
    assert "made p2c.toml" in first.stdout
    assert "p2c connect test" in first.stderr
    second = subprocess.run([*command, "--json"], capture_output=True, text=True, env=os.environ)
    assert json.loads(second.stdout)["made"] == []
