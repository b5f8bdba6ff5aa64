"""Every test run has a workspace of its own: neither tests nor notebooks touch the ``.p2c`` of a checkout."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

HOME = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    home = Path(tempfile.mkdtemp(prefix="p2c-tests-"))
    config.stash[HOME] = home
    os.environ["P2C_WORKSPACE"] = str(home)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)
