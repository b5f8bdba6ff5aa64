"""Every test run has a workspace of its own: neither tests nor notebooks touch the ``.p2c`` of a checkout."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

HOME = pytest.StashKey[Path]()


# The same examples every time: a red test is red again for whoever looks into it. P2C_EXPLORE=1 draws new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile("explore" if os.environ.get("P2C_EXPLORE") else "same")


def pytest_configure(config: pytest.Config) -> None:
    home = Path(tempfile.mkdtemp(prefix="p2c-tests-"))
    config.stash[HOME] = home
    os.environ["P2C_WORKSPACE"] = str(home)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)
