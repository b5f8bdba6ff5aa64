"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"python-duckdb": "duckdb", "python-tzdata": "tzdata"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def asked() -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}


def locked() -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.M)
    return {canonicalize_name(name): version for name, version in pins}


def test_the_lock_pins_every_dependency_within_its_range() -> None:
    development = map(Requirement, PROJECT["optional-dependencies"]["dev"])
    wanted = asked() | {canonicalize_name(r.name): r for r in development}
    pins = locked()
    assert [name for name, r in wanted.items() if not r.specifier.contains(pins.get(name, "0"))] == []


def test_every_pin_has_hashes_and_no_file_names_an_index() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())
    assert [e.split()[0] for e in entries if "--hash=sha256:" not in e] == []
    for name in ("requirements.lock", "environment.yml", "pyproject.toml"):
        assert re.findall(r"https?://|--(?:extra-)?index-url", (ROOT / name).read_text()) == [], name


def test_the_conda_environment_asks_for_the_same() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    project = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = [
        Requirement(entry) for entry in listed if isinstance(entry, str) and not entry.startswith(("python>", "pip"))
    ]
    found = {CONDA_NAMES.get(r.name, canonicalize_name(r.name)): str(r.specifier) for r in conda}
    assert found == {name: str(r.specifier) for name, r in asked().items()}
    assert project == ["--editable ."]
    assert f"python{PROJECT['requires-python']}" in listed
