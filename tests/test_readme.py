"""What the README claims is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    (program,) = blocks("python")
    said = "\nassert outcome.created + outcome.updated == len(plan) > 0\nsession.close()\n"
    done = subprocess.run([sys.executable, "-c", program + said], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make (run|test|lab|venv|\w+)\b(?= +#|`)", README))
    assert {"run", "test", "lab"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.M)] == []


def test_every_command_of_the_readme_exists() -> None:
    import typer

    from p2c_lib.cli import app

    root = typer.main.get_command(app)
    lines = [
        line.split("#")[0].split()[2:] for block in blocks("console") for line in block.splitlines() if "$ p2c" in line
    ]
    assert len(lines) > 10
    for words in lines:
        command = root
        for word in words:
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, words
            command = command.commands[word]
        options = {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}
        assert {w for w in words if w.startswith("--")} <= options, words


def test_every_file_the_readme_names_is_there() -> None:
    named = re.findall(r"\]\((?!http)([^)]+)\)|`([a-z_]+/[\w./]*\w\.\w+)`", README)
    assert [n for pair in named for n in pair if n and "*" not in n and not (ROOT / n).exists()] == []
