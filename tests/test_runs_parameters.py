"""What a run is told is checked before anything starts: every mistake has its message, at once."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, P2CError, UnknownName
from p2c_lib.flow import TASKS
from p2c_lib.runs import NOTEBOOKS, checked, described, parameters_of
from p2c_lib.runs.asked import Asked, asked, asked_before
from p2c_lib.runs.parameters import MODELS
from tests import warm

CONFIG = """
[connections.sales]
app = "sales"
url = "http://127.0.0.1:9"
client_id = "c"
secret = "env:P2C_NOT_SET"

[connections.finops]
app = "finops"
url = "http://127.0.0.1:9"
client_id = "c"
secret = "env:P2C_NOT_SET"

[sets.test]
sales = "sales"
finops = "finops"
company = "USMF"
"""

MISTAKES = [
    (["acounts"], "Unknown task 'acounts'. Did you mean 'accounts'?"),
    (["20_acounts"], "Unknown task '20_acounts'"),
    (["accounts", "60_reconcile"], "60_reconcile runs by itself."),
    (["60_reconcile", "--apply"], "Unknown parameter 'apply'. Allowed: company, connection_set, limit, task."),
    (["60_reconcile", "--company", "USMF"], "60_reconcile looks at one company."),
    (["60_reconcile", "--limit", "0"], "The parameter limit came as '0'"),
    (["--set", "prod"], "Unknown connection set 'prod'"),
    (["--set", ""], "Unknown connection set ''"),
    (["--set", "test"], "The secret env:P2C_NOT_SET is not set."),
    (["--limit", "0"], "The parameter limit came as '0': input should be greater than or equal to 1."),
    (["--limit", "-5"], "The parameter limit came as '-5'"),
    (["--limit", "many"], "The parameter limit came as 'many'"),
    (["--limit", "2.5"], "The parameter limit came as '2.5'"),
    (["--param", "limit=true"], "The parameter limit came as True: input should be a number."),
    (["--param", "limit=[1]"], "The parameter limit came as [1]"),
    (["--ceiling", "high"], "The parameter ceiling came as 'high'"),
    (["--ceiling", "7"], "less than or equal to 1. ceiling: share of rows that may be quarantined"),
    (["--ceiling", "-0.1"], "The parameter ceiling came as '-0.1'"),
    (["--ceiling", "nan"], "The parameter ceiling came as 'nan'"),
    (["--param", "ceiling=null"], "The parameter ceiling came as None"),
    (["--param", "ceiling"], "The parameter 'ceiling' has no value. Write --param name=value."),
    (["--param", "=0.1"], "The parameter '=0.1' has no value."),
    (["--param", "celing=0.1"], "Unknown parameter 'celing'. Did you mean 'ceiling'?"),
    (["--param", "limit=1", "--param", "limit=2"], "The parameter limit is given twice."),
    (["--limit", "1", "--param", "limit=2"], "limit is given twice."),
    (["--param", "apply=perhaps"], "The parameter apply came as 'perhaps'"),
    (["--param", "apply=2"], "The parameter apply came as 2"),
    (["--param", "tasks=acounts"], "Unknown task 'acounts'. Did you mean 'accounts'?"),
    (["--param", "tasks=3"], "The parameter tasks came as 3"),
    (["--param", "run_id=../../etc"], "up to 40 letters, digits, dots and dashes"),
    (["--since", "yesterday"], "The parameter since came as 'yesterday'"),
    (["--since", "1769900000"], "input should be a moment, such as"),
    (["--since", "1e9"], "input should be a moment, such as"),
    (["--since", "2026-01-31-10:00"], "input should be a moment, such as"),
    (["--since", "2026-13-01"], "The parameter since came as '2026-13-01'"),
    (["--since", "2999-01-01T00:00:00Z"], "input should lie in the past."),
    (["--since", "2026-01-01T00:00:00Z", "--full"], "full reads every row and since only some: give one of them."),
    (["--company", "USMFX"], "input should be up to four letters and digits."),
    (["--company", "US MF"], "input should be up to four letters and digits."),
    (["--company", "USMF", "--company", "usmf"], "The company USMF is named twice."),
    (["--without", "no such rule"], "Unknown rule 'no such rule'"),
    (["--max-creates", "-1"], "The parameter max_creates came as '-1'"),
    (["--max-updates", "few"], "The parameter max_updates came as 'few'"),
    (["--kernels", "0"], "0 kernels cannot run. Give a number from 1 to 16."),
    (["--kernels", "two"], "kernels came as 'two'. Give a whole number: --kernels 2."),
    (["--resume", "20260101-000000-abcdef"], "Unknown run '20260101-000000-abcdef'"),
    (["--resume", "latest", "--apply"], "A run goes on with what it was asked for."),
    (["--no-such-option"], "No such option: --no-such-option"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "p2c.toml").write_text(CONFIG)
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def said(words: Sequence[str]) -> tuple[int, str]:
    """What ``p2c run`` says and its exit code; errors become both in the console script's main."""
    done = CliRunner().invoke(app, ["run", *words])
    if isinstance(done.exception, P2CError):
        return 2, f"{done.exception.message} {done.exception.hint or ''}"
    return done.exit_code, " ".join(done.output.replace("│", " ").split())


def test_the_table_has_forty_mistakes() -> None:
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize(("words", "says"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_told_before_anything_starts(home: Path, words: list[str], says: str) -> None:
    code, text = said(words)
    assert code == 2
    assert says in text
    assert not (home / ".p2c" / "runs").exists()


@pytest.mark.parametrize("words", [["--limit", "many"], ["acounts"], ["--without", "no such rule"]])
def test_a_mistake_is_told_before_anything_heavy_is_loaded(home: Path, words: list[str]) -> None:
    program = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print(*sorted(sys.modules)))\n"
        f"sys.argv = ['p2c', 'run', *{words!r}]\n"
        "runpy.run_module('p2c_lib.cli', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "p2c_lib.runs.parameters" in done.stdout.split()
    assert {"papermill", "nbclient", "pandas", "great_expectations"} & set(done.stdout.split()) == set()


def test_the_notebooks_of_the_walk_name_their_tasks(home: Path) -> None:
    place = Workspace(home)
    assert asked(place, [], {}).tasks == TASKS
    assert asked(place, ["30_contacts", "10_products.ipynb"], {}).tasks == ("products", "contacts", "contact-customers")
    assert asked(place, ["60_reconcile"], {"task": "quotes"}).notebook == "60_reconcile"


def test_values_come_as_text_from_options_and_as_themselves_from_programs() -> None:
    text = {"limit": "10", "ceiling": "0.1", "tasks": "accounts, contacts", "since": "2026-01-01", "max_creates": "0"}
    same = {"limit": 10, "ceiling": 0.1, "tasks": ["accounts", "contacts"], "since": "2026-01-01T00:00Z"}
    assert checked("20_accounts", text) == checked("20_accounts", same | {"max_creates": 0})
    assert checked("20_accounts", {"since": "2026-01-01"}).full is False
    for since in ("20260101", "2026-01-01 00:00", "20260101T000000Z", "2026-W01-4", date(2026, 1, 1)):
        assert checked("20_accounts", {"since": since}) == checked("20_accounts", {"since": "2026-01-01T00:00Z"})
    for number in (20260101, 1769900000, 1769900000.5, True):
        with pytest.raises(ConfigError, match="input should be a moment"):
            checked("20_accounts", {"since": number})


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_is_described(name: str) -> None:
    for one in described(parameters_of(name)):
        assert one.meaning
        assert one.type in {"text", "whole number", "number", "true or false", "list", "date and time"}


def test_params_shows_the_model(home: Path) -> None:
    done = CliRunner().invoke(app, ["params", "20_accounts"])
    lines = {line.split()[0]: " ".join(line.split()) for line in done.output.splitlines()}
    assert lines["ceiling"] == "ceiling number 0.05 0 to 1 share of rows that may be quarantined before the load stops"
    assert list(lines) == ["name", *parameters_of("20_accounts").model_fields]


def own_notebook(home: Path, source: str, name: str = "mine") -> Path:
    (home / "notebooks").mkdir(exist_ok=True)
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), home / "notebooks" / f"{name}.ipynb")
    return home / "notebooks" / f"{name}.ipynb"


def test_a_notebook_of_the_workspace_has_the_model_of_its_cell(home: Path) -> None:
    own_notebook(home, 'rows = 5  # how many\nnames = ["a"]\nanything = None\nshare = 0.5\napi_token = "env:P2C_T"')
    model = parameters_of("mine", Workspace(home))
    assert [(one.name, one.type, one.meaning) for one in described(model)][:2] == [
        ("rows", "whole number", "how many"),
        ("names", "list", ""),
    ]
    for wrong, says in (
        ({"rows": "many"}, "The parameter rows came as 'many'"),
        ({"row": 1}, "Unknown parameter 'row'. Did you mean 'rows'?"),
        ({"api_token": "tell-nobody"}, "a secret is given by reference"),
    ):
        with pytest.raises(P2CError, match=says) as caught:
            checked("mine", wrong, Workspace(home))
        assert "tell-nobody" not in str(caught.value)


def test_a_cell_of_more_than_values_is_refused(home: Path) -> None:
    own_notebook(home, "rows = len('abc')")
    with pytest.raises(ConfigError, match="has a line that is no plain value: rows = len"):
        asked(Workspace(home), ["mine"], {})


def test_a_parameter_that_a_copy_of_a_notebook_does_not_take_is_no_silent_option(home: Path) -> None:
    own_notebook(home, 'connection_set = "sandbox"\ntasks = []\nrun_id = ""', name="20_accounts")
    with pytest.raises(ConfigError, match="does not take the parameter limit"):
        asked(Workspace(home), ["accounts"], {"limit": 5})
    assert asked(Workspace(home), ["accounts"], {}).tasks == ("accounts",)


def test_what_was_asked_for_is_kept_and_read_again(home: Path) -> None:
    place = Workspace(home)
    parameters: dict[str, Any] = {"limit": 7, "since": "2026-01-01T00:00:00Z"}
    wanted = asked(place, ["accounts"], parameters, companies=["USMF", "FRRT"], kernels=3)
    wanted.save(place.state / "runs" / wanted.run_id)
    assert asked_before(place, wanted.run_id) == asked_before(place, "latest") == wanted
    assert [wanted.part(company) for company in wanted.companies] == [f"{wanted.run_id}-usmf", f"{wanted.run_id}-frrt"]
    assert Asked("r", (), {}, ("USMF",)).part("USMF") == "r"
    with pytest.raises(UnknownName, match="Unknown run 'other'"):
        asked_before(place, "other")


def test_every_task_of_a_notebook_is_a_task() -> None:
    assert tuple(task for offered in NOTEBOOKS.values() for task in offered) == TASKS


def as_notebook(source: str, **cell: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": source, **cell}]})


TAGGED = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "outputs": [], "execution_count": None}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no notebook: JSONDecodeError"),
        ("[]", "is a notebook of an old format"),
        ('{"nbformat": 3, "worksheets": [{"cells": []}]}', "is a notebook of an old format"),
        ('{"nbformat": 4}', "is no notebook: KeyError"),
        (as_notebook("%pip install x", **TAGGED), "no plain value: %pip install x."),
        (as_notebook("a = 1\n!ls", **TAGGED), "no plain value: !ls."),
    ],
)
def test_what_is_no_notebook_is_told_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "mine.ipynb").write_text(text)
    for word in ("params", "run"):
        done = warm.answered(tmp_path, word, "mine")
        assert done.returncode == 2
        assert says in done.stderr.splitlines()[0]


def test_params_shows_every_kind_of_default(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    file = tmp_path / "notebooks" / "mine.ipynb"
    source = "_own = 1\na = {'x': 1}\nb = (1, 2)\nc = b'\\xff'\nd = {1: 2}\ne = []\nf = {3}\ng = None\nh = 1j"
    made = json.loads(as_notebook(source, **TAGGED))
    made["cells"].append({"cell_type": "code", "source": "", "outputs": []})  # no metadata
    file.write_text(json.dumps(made), "utf-8-sig")
    done = warm.answered(tmp_path, "params", "mine", "--json")
    told = {one["name"]: one["default"] for one in json.loads(done.stdout)["parameters"]}
    assert list(told) == ["a", "b", "c", "d", "e", "f", "g", "h"]
    assert (told["a"], told["b"], told["c"], told["e"], told["g"]) == ({"x": 1}, [1, 2], "b'\\xff'", [], None)
    shown = warm.answered(tmp_path, "params", "mine")
    assert shown.returncode == 0
    assert '{"x": 1}' in shown.stdout
