"""Steps that are kept in a run folder come back as they were, and their files can make nothing happen."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.steps import KeptSteps


def frame() -> EntityFrame:
    table = pa.table({"id": ["a", None], "n": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2))})
    origin = Origin("sales", "", "", None, "rows", "", ("id",), datetime(2026, 1, 2, tzinfo=UTC), 2, True, "")
    return EntityFrame(table, origin)


def test_a_step_comes_back_as_it_was(tmp_path: Path) -> None:
    KeptSteps(tmp_path, None).keep("extract", "here", frame(), 0.1)
    kept = KeptSteps(tmp_path, None)
    found = kept.load("extract", "here")
    assert found.table.equals(frame().table)
    assert found.origin == frame().origin
    assert kept.load("extract", "elsewhere") is None


@pytest.mark.parametrize(
    ("module", "name"),
    [("p2c_lib.steps", "shutil.rmtree"), ("shutil", "rmtree"), ("p2c_lib.steps", "_sha"), ("pyarrow.lib", "OSFile")],
)
def test_a_file_that_asks_for_something_that_acts_is_not_read(tmp_path: Path, module: str, name: str) -> None:
    kept = KeptSteps(tmp_path / "run", None)
    kept.keep("extract", "here", frame(), 0.1)
    there = tmp_path / "there"
    there.mkdir()
    words = [pickle.SHORT_BINUNICODE + bytes([len(word)]) + word.encode() for word in (module, name, str(there))]
    called = words[0] + words[1] + pickle.STACK_GLOBAL + words[2] + pickle.TUPLE1 + pickle.REDUCE
    (tmp_path / "run" / "steps" / "extract" / "value").write_bytes(pickle.PROTO + b"\x04" + called + pickle.STOP)
    assert kept.load("extract", "here") is None
    assert there.is_dir()
