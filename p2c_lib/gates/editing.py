"""Suites in Great Expectations' own hands: opened as its ``ExpectationSuite``, saved as a file of the workspace."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from p2c_lib.config import workspace
from p2c_lib.gates.suite import find_suite, read_suite

__all__ = ["gx_suite", "save_suite"]


def gx_suite(suite: str | Path) -> Any:
    """A suite, by its name (``accounts.source``) or file, as Great Expectations' ``ExpectationSuite``.

    Raises SuiteError for one that does not exist.
    """
    path = find_suite(suite)
    read_suite(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations.core import ExpectationSuite

        from p2c_lib.gates.gx import memory_context

        memory_context()
        return ExpectationSuite(**json.loads(path.read_text("utf-8")))


def save_suite(suite: Any, folder: Path | None = None) -> Path:
    """Write an ``ExpectationSuite`` as ``<name>.json`` into the workspace's ``expectations/``, or another folder.

    There it stands for the packaged suite of that name. Raises SuiteError, and writes nothing, for one the gate cannot
    read.
    """
    place = folder or workspace().root / "expectations"
    text = json.dumps(suite.to_json_dict(), indent=2, ensure_ascii=False) + "\n"
    with TemporaryDirectory() as tried:
        draft = Path(tried) / f"{suite.name}.json"
        draft.write_text(text, "utf-8")
        read_suite(draft)
    place.mkdir(parents=True, exist_ok=True)
    path = place / draft.name
    path.write_text(text, "utf-8")
    return path
