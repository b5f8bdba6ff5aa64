"""Arrows point down, siblings do not meet, and the front door opens at once."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "p2c_lib"
RANK = {
    "secrecy": -0.1,
    "errors": 0,
    "display": 0.4,
    "lengths": 0.5,
    "days": 0.5,
    "numerals": 0.4,
    "moments": 0.5,
    "sql_tables": 0.5,
    "keys": 0.6,
    "value_keys": 0.6,
    "service_url": 0.6,
    "waiting": 0.7,
    "patience": 0.7,
    "private": 0.7,
    "ending": 0.8,
    "report": 1,
    "events": 0.9,
    "run_folder": 1,
    "sheets": 1,
    "config": 1,
    "ledger": 1,
    "new_workspace": 2,
    "history": 2,
    "odata": 2,
    "frame_html": 2.5,
    "frames": 3,
    "session": 3.5,
    "mapping": 4,
    "gates": 4,
    "reconcile": 4,
    "connecting": 4.5,
    "plan": 5,
    "load": 6,
    "agreement": 6.5,
    "marks": 6.6,
    "why": 6.7,
    "steps": 6.8,
    "flow": 7,
    "company": 7.5,
    "notices": 7.6,
    "runs": 8,
    "schedule": 8.5,
    "widgets": 8.5,
    "cli": 9,
}
OWN_WAY = {"sandbox"}  # an offline twin: stands on errors alone; session and cli may start it
MAY_START_THE_SANDBOX = {"session", "cli"}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports when it runs (type checking aside)."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("p2c_lib"):
            rest = (node.module or "").split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("p2c_lib.")}
    return found - {"__version__"}


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name not in {"__main__.py"} and module_of(p) != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_arrows_point_down(path: Path) -> None:
    mine = module_of(path)
    for other in imported(path) - {mine}:
        if mine in OWN_WAY:
            assert other == "errors", f"the sandbox imports {other}"
        elif other in OWN_WAY:
            assert mine in MAY_START_THE_SANDBOX, f"{mine} imports the sandbox"
        else:
            assert RANK[other] < RANK[mine], f"{mine} imports {other}"


def test_no_module_is_without_a_rank() -> None:
    assert {module_of(p) for p in FILES} - set(RANK) - OWN_WAY == set()


HEAVY = {
    "IPython",
    "anywidget",
    "apscheduler",
    "babel",
    "duckdb",
    "great_expectations",
    "httpx",
    "ipywidgets",
    "msal",
    "nbclient",
    "nbformat",
    "numpy",
    "openpyxl",
    "pandas",
    "papermill",
    "pyarrow",
    "rapidfuzz",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}


def loaded(program: str) -> set[str]:
    """The modules a program has loaded when it ends."""
    told = f"import sys\n{program}\nprint(*sorted(sys.modules), file=sys.stderr)"
    return set(subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stderr.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    modules = loaded("import p2c_lib")
    assert modules & (HEAVY | {"pydantic", "typer", "rich"}) == set()
    assert {name for name in modules if name.startswith("p2c_lib.")} <= {"p2c_lib.errors"}


def test_help_loads_nothing_heavy() -> None:
    assert loaded("from p2c_lib.cli import app; app(['--help'], standalone_mode=False)") & HEAVY == set()


def test_every_public_name_loads_and_the_functions_win_over_their_modules() -> None:
    import p2c_lib as p2c

    assert [name for name in p2c.__all__ if getattr(p2c, name, None) is None] == []
    assert callable(p2c.plan)
    assert callable(p2c.reconcile)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = p2c.nonsense
