"""Every test run has a workspace of its own: neither tests nor notebooks touch the ``.p2c`` of a checkout."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import hypothesis
import pytest

HOME = pytest.StashKey[Path]()


# The same examples every time: a red test is red again for whoever looks into it. P2C_EXPLORE=1 draws new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile("explore" if os.environ.get("P2C_EXPLORE") else "same")


# The files that take longest, most of it waiting for processes: begun first, so that no worker ends long after others.
LONGEST = (
    "load_killed", "docs", "marks", "odata_written_meanwhile", "adventureworks", "signals_early_and_late",
    "ended_by_signals", "echoes", "gates_agree", "runs_resume", "undo", "jupyterlab", "jupyterlab_course", "notebooks",
    "walk", "gates_release", "load_import", "reconcile", "converges", "reconcile_causes", "gates_preflight",
    "sandbox_hostile", "sandbox_load_wire", "no_way_there", "runs", "sandbox_durability", "docs_site", "schedule",
)  # fmt: skip
PLACES = {f"test_{name}": place for place, name in enumerate(LONGEST)}


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: many tests wait for a process or a pause."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file the order stays."""
    items.sort(key=lambda item: PLACES.get(item.path.stem, len(PLACES)))


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored where tests run in the background: commands keep to that
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    home = Path(tempfile.mkdtemp(prefix="p2c-tests-"))
    config.stash[HOME] = home
    os.environ["P2C_WORKSPACE"] = str(home)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)
