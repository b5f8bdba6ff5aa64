"""The wheel holds all it needs: installed into an empty environment, without a network, it walks."""

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from p2c_lib import __version__
from p2c_lib.mapping import TASKS

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in {"P2C_WORKSPACE", "PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=180)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and of its dependencies what the tests run with."""

    wheel: Path
    folder: Path

    def __call__(self, program: str, *words: str | Path, cwd: Path, code: int = 0) -> str:
        ending = ".exe" if os.name == "nt" else ""
        return run(self._bin / f"{program}{ending}", *words, cwd=cwd, code=code)

    @property
    def _bin(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place, cwd=ROOT)
    (wheel,) = place.glob("*.whl")
    made = Installed(wheel, place / "env")
    venv.create(made.folder, with_pip=False)
    packages = sysconfig.get_path("purelib", vars={"base": str(made.folder), "platbase": str(made.folder)})
    # Where the tests' own dependencies lie; a .pth there, such as that of the checkout, is not followed from here.
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    target = ("--python", made.folder, "install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", *map(str, target), cwd=place)
    return made


def test_the_wheel_holds_templates_suites_notebooks_and_widgets(installed: Installed) -> None:
    names = set(ZipFile(installed.wheel).namelist())
    wanted = {f"p2c_lib/mapping/templates/{task}.yml" for task in TASKS}
    wanted |= {f"p2c_lib/_expectations/{task}.json" for task in TASKS}
    wanted |= {f"p2c_lib/_notebooks/{file.name}" for file in (ROOT / "notebooks").glob("*.ipynb")}
    wanted |= {f.relative_to(ROOT).as_posix() for kind in ("js", "css") for f in (ROOT / "p2c_lib").rglob(f"*.{kind}")}
    assert wanted <= names
    assert [name for name in names if name.startswith("tests/") or "/.p2c" in name] == []


def test_the_environment_has_the_wheel_and_not_the_checkout(installed: Installed, tmp_path: Path) -> None:
    said = installed("python", "-c", "import p2c_lib; print(p2c_lib.__file__)", cwd=tmp_path)
    assert Path(said.strip()).is_relative_to(installed.folder)
    assert installed("p2c", "--version", cwd=tmp_path) == f"p2c {__version__}\n"


def test_a_workspace_made_from_the_wheel_walks(installed: Installed, tmp_path: Path) -> None:
    installed("p2c", "init", "mine", cwd=tmp_path)
    assert len(list((tmp_path / "mine" / "notebooks").glob("*.ipynb"))) == len(
        list((ROOT / "notebooks").glob("*.ipynb"))
    )
    said = installed("p2c", "run", "products", "--plan-only", cwd=tmp_path / "mine", code=1)
    assert "products   200     198" in said
    (tmp_path / "elsewhere").mkdir()
    assert "accounts: nothing to report" in installed(
        "p2c", "template", "validate", "accounts", cwd=tmp_path / "elsewhere"
    )
