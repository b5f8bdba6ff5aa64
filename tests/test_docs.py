"""The docs run: every page's blocks do what the page says, and the site builds without a broken link."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from p2c_lib.sandbox import process
from tests.pages import DOCS, Reader, begins_where, blocks, comes_in_order
from tests.test_imports import RANK

PAGES = sorted(DOCS.rglob("*.md"))
RUN_ELSEWHERE = {"history.md"}  # with a history of its own: tests/test_history.py
STEPS = [page for page in PAGES if begins_where(page) is None]
MOST_NOT_RUN = 14


def named(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Where each page that was read ended: its workspace, with the sandbox down."""
    return {}


def follow(page: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Read a page in a workspace with the sandbox up all the time; where it ended."""
    monkeypatch.delenv("P2C_WORKSPACE", raising=False)
    up: list[process.Running] = []

    def go(folder: Path) -> None:
        monkeypatch.chdir(folder)
        if up:
            process.stop(up.pop())
        up.append(process.start(folder / ".p2c" / "sandbox"))

    reader = Reader(page, home, go)
    monkeypatch.chdir(home)
    try:
        if (home / ".p2c").is_dir() or not re.search(r"^\$ cd ", page.read_text("utf-8"), re.M):
            go(home)
        reader.read()
    finally:
        for running in up:
            process.stop(running)
    return reader.home


def runs(page: Path) -> bool:
    """Whether anything of a page runs here."""
    return named(page) not in RUN_ELSEWHERE and any(
        b.language in {"console", "python"} and "not run" not in b.says for b in blocks(page)
    )


@pytest.mark.parametrize("page", [page for page in STEPS if runs(page)], ids=named)
def test_a_page_does_what_it_says(
    page: Path, ended: dict[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended[page] = tmp_path
    ended[page] = follow(page, tmp_path, monkeypatch)


@pytest.fixture
def after(ended: dict[Path, Path], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of the workspace in which another page ended; that page is read first when it was not yet."""

    def copied(page: Path) -> Path:
        if page not in ended:
            ended[page] = tmp_path_factory.mktemp("before")
            with pytest.MonkeyPatch.context() as patch:
                ended[page] = follow(page, ended[page], patch)
        return Path(shutil.copytree(ended[page], tmp_path / "workspace"))

    return copied


@pytest.mark.parametrize("page", [page for page in PAGES if page not in STEPS], ids=named)
def test_a_guide_goes_on_where_the_tutorial_ends(
    page: Path, after: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(page, after(begins_where(page)), monkeypatch)


def test_how_it_works_names_every_module_at_its_rank() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", (DOCS / "how-it-works.md").read_text("utf-8"), re.M)
    told = {module: int(rank) for rank, modules in rows for module in re.findall(r"`(\w+)`", modules)}
    assert told == {module: int(rank) for module, rank in RANK.items()}


def test_no_block_hides_a_command_from_the_tests() -> None:
    plain = [b for page in PAGES for b in blocks(page) if b.language not in {"console", "text", "toml", "yaml"}]
    assert [b.line for b in plain if re.search(r"^[$>]? ?p2c ", b.text, re.M)] == []


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    quiet = [(named(page), b.says["not run"]) for page in PAGES for b in blocks(page) if "not run" in b.says]
    assert len(quiet) <= MOST_NOT_RUN, quiet
    assert all(len(why) > 5 for _, why in quiet)


def test_a_shown_line_that_does_not_come_is_found() -> None:
    came = "task  read\nunits  12  0.3\nreport: /a/20261123-004512-1f0c3a/report.html\n"
    assert comes_in_order("task  read\nunits 12 7.5\nreport: ...\n", came) is None
    assert comes_in_order("units 13 7.5\n", came) == "units 13 7.5"
    assert comes_in_order("units ... 0.1\ntask  read\n", came) == "task  read"
