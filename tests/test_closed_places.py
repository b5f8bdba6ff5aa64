"""Places that cannot be written, files that were cut short, and who may read what is kept."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from tests import warm


def modes(folder: Path) -> dict[str, int]:
    return {str(one.relative_to(folder)): stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.rglob("*"))}


@pytest.mark.parametrize("words", [("run", "products"), ("history",), ("ledger", "verify"), ("sandbox", "reset")])
def test_a_place_that_cannot_be_written_is_told_in_a_line_and_is_no_difference(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / ".p2c").write_text("a file")
    done = warm.answered(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert str(tmp_path / ".p2c") in done.stderr
    assert "hint: " in done.stderr


def test_a_record_of_the_sandbox_that_was_cut_short_is_of_none(tmp_path: Path) -> None:
    home = Workspace(tmp_path).sandbox_home
    home.mkdir(parents=True)
    for text in ("", '{"sales_url": "http', "[]", "3"):
        (home / "server.json").write_text(text)
        assert Workspace(tmp_path).connection_set("sandbox").sales.url == "http://127.0.0.1:0"


def test_no_run_to_go_on_with_is_said(tmp_path: Path) -> None:
    done = warm.answered(tmp_path, "run", "--resume", "latest")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: There is no run to go on with.")


def test_the_latest_run_is_the_one_that_was_begun_last_whatever_its_name(tmp_path: Path) -> None:
    for at, name in enumerate(("z", "a")):
        file = tmp_path / ".p2c" / "runs" / name / "asked.json"
        file.parent.mkdir(parents=True)
        file.write_text("{cut")
        os.utime(file, (at, at))
    done = warm.answered(tmp_path, "run", "--resume", "latest")
    assert done.returncode == 2
    assert "The run a cannot be taken up again" in done.stderr


def test_a_ledger_that_was_emptied_is_not_begun_anew(tmp_path: Path) -> None:
    open_ledger(Workspace(tmp_path).ledger).close()
    (tmp_path / ".p2c" / "runs" / "r-1").mkdir(parents=True)
    (tmp_path / ".p2c" / "runs" / "r-1" / "asked.json").write_text("{}")
    (tmp_path / ".p2c" / "ledger.db").write_bytes(b"")
    done = warm.answered(tmp_path, "ledger", "verify")
    assert done.returncode == 2
    assert "has no bytes, and it was not empty before" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("shared", "others"), [(None, 0o077), (0o2770, 0o007)])
def test_what_is_kept_is_the_owners_alone_whatever_the_umask(tmp_path: Path, shared: int | None, others: int) -> None:
    state = tmp_path / ".p2c"
    if shared is not None:
        state.mkdir()
        state.chmod(shared)
    code = "import sys; from p2c_lib.cli import main\nfor words in (['ledger', 'verify'], ['sandbox', 'reset']):\n"
    code += "    sys.argv = ['p2c', *words]\n    try: main()\n    except SystemExit as left: assert not left.code"
    environment = {**os.environ, "P2C_WORKSPACE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, umask=0, check=True, capture_output=True)
    found = modes(state)
    assert {"ledger.db", "sandbox"} <= found.keys()
    assert {name: oct(mode) for name, mode in found.items() if mode & others} == {}
    assert found["ledger.db"] == (0o600 if shared is None else 0o660)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_of_before_is_closed_to_others(tmp_path: Path) -> None:
    state = tmp_path / ".p2c"
    state.mkdir()
    state.chmod(0o755)
    open_ledger(Workspace(tmp_path).ledger).close()
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_workspaces_of_any_name_have_ledgers_of_their_own(tmp_path: Path) -> None:
    names = ("My Repo", "My%20Repo", "what?x=1", "a#b", "{client}", "O'Neil", '"x"', "Größe 東京", "%(x)s", "a&b=c;d")
    for name in names:
        home = tmp_path / name
        home.mkdir()
        ledger = open_ledger(Workspace(home).ledger)
        ledger.begin_run(f"of {name}", connection_set="sandbox", company="USMF", apply=False)
        assert [row["run_id"] for row in ledger.runs()] == [f"of {name}"]
        ledger.close()
        assert {one.name for one in (home / ".p2c").iterdir()} >= {"ledger.db"}
    assert len(list(tmp_path.iterdir())) == len(names)
