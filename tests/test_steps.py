"""Steps that are kept in a run folder come back as they were, and their files can make nothing happen."""

from __future__ import annotations

import pickle
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.steps import KeptSteps, _hash_of


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
    kept.done["extract"]["kept"] = _hash_of(tmp_path / "run" / "steps" / "extract")
    assert kept.load("extract", "here") is None
    assert there.is_dir()


def test_a_step_whose_files_were_damaged_is_made_again_whatever_the_damage(tmp_path: Path) -> None:
    kept = KeptSteps(tmp_path / "run", None)
    kept.keep("extract", "here", frame(), 0.1)
    files = list((tmp_path / "run" / "steps" / "extract").iterdir())
    luck = random.Random(7)
    for _ in range(1_000):
        file = luck.choice(files)
        whole = file.read_bytes()
        at = luck.randrange(len(whole))
        file.write_bytes(whole[:at] + bytes([whole[at] ^ luck.randrange(1, 256)]) + whole[at + 1 :])
        assert kept.load("extract", "here") is None
        file.write_bytes(whole)
    assert kept.load("extract", "here") is not None
    files[0].unlink()
    assert KeptSteps(tmp_path / "run", None).load("extract", "here") is None


@pytest.mark.parametrize("text", ["", "[]", "3", '{"extract": 1}', '{"extract": {"address": "here"}}', "{cut"])
def test_a_list_of_steps_that_was_damaged_knows_of_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "steps.json").write_text(text)
    assert KeptSteps(tmp_path, None).load("extract", "here") is None
