"""JSON of millions of values where a few are said: refused before they are made, so that no memory goes for it."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import AnswerTooLarge
from p2c_lib.odata import Client
from p2c_lib.odata.characters import TooMuch, plain_json, well_formed
from tests.bad_network import told_server
from tests.hasty import Hasty

Said = tuple[int, dict[str, str], bytes]
PACKED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
ROOM = {"finops": 200, "sales": 650}  # MB beyond what the child has before it asks; a bomb took 3,000
CHILD = """
import sys
from p2c_lib.config import Connection, Secret
from p2c_lib.errors import P2CError
from p2c_lib.odata import Client
from pathlib import Path

def peak():
    return int(next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM")).split()[1])

url, app, entity_set = sys.argv[1:]
here = Connection("x", app, url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
with Client(here) as client:
    before = peak()
    try:
        client.schema(entity_set)
    except P2CError as error:
        print(type(error).__name__, (peak() - before) // 1024)
"""


def packed(start: str, unit: str, count: int, end: str) -> bytes:
    """A gzip of very much of the same, made in little memory."""
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit.encode() * (count // 100)
    return b"".join(
        [
            coder.compress(start.encode()),
            *(coder.compress(block) for _ in range(100)),
            coder.compress(end.encode()),
            coder.flush(),
        ]
    )


BOMBS = {
    "objects": packed('{"value":[{}', ',{"a":1}', 5_000_000, "]}"),
    "objects and a letter beyond Latin-1": packed('{"ж":1,"value":[{}', ',{"a":1}', 5_000_000, "]}"),
    "lists": packed('{"value":[{}', ",[]", 3_000_000, "]}"),
    "members": packed('{"a":1', ',"a":1', 5_000_000, "}"),
    "blanks": packed('{"value":[', " ", 200_000_000, "]}"),
}
CASES = [*(("finops", name) for name in BOMBS), ("sales", "objects"), ("sales", "blanks")]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(("app", "bomb"), CASES, ids=map(" ".join, CASES))
def test_a_description_without_end_takes_no_memory(app: str, bomb: str) -> None:
    """In Sales six requests describe a table at once."""

    def say(_method: str, path: str) -> Said:
        if app == "sales" and path.startswith("/api/data/v9.2/EntityDefinitions?"):
            return 200, PACKED, gzip.compress(b'{"value":[{"LogicalName":"uom","EntitySetName":"uoms"}]}')
        return 200, PACKED, BOMBS[bomb]

    with told_server(say) as url:
        told = subprocess.run(
            [sys.executable, "-c", CHILD, url, app, "uoms"], capture_output=True, text=True, timeout=120, check=True
        )
    kind, taken = told.stdout.split()
    assert kind == "AnswerTooLarge"
    assert int(taken) < ROOM[app]


def test_one_that_is_too_large_is_not_asked_for_again_and_told_in_words() -> None:
    asked: list[str] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return 200, PACKED, BOMBS["lists"]

    with told_server(say) as url:
        here = Connection("x", "finops", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with (
            Client(here, clock=Hasty()) as client,
            pytest.raises(AnswerTooLarge, match="more than 1,000,000") as caught,
        ):
            client.schema("Currencies")
    assert len(asked) == 1
    assert "something between" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ['{"a":[1,2,3,4]}', "[[],[],[],[]]", '{"é":1,"b":2,"c":3,"d":4}'])
def test_values_are_counted_before_any_is_made(text: str) -> None:
    for said in (text, text.encode()):
        with pytest.raises(TooMuch):
            plain_json(said, most=3)
        with pytest.raises(TooMuch):  # though it is no JSON at all
            plain_json(said[:-1], most=3)
        assert plain_json(said, most=20)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def clean(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [clean(each) for each in value]
    return {well_formed(k): clean(v) for k, v in value.items()} if isinstance(value, dict) else value


@given(VALUES, st.booleans())
def test_texts_are_well_formed_wherever_they_stand(value: Any, escaped: bool) -> None:
    import json

    text = json.dumps(value, ensure_ascii=escaped)
    assert plain_json(text) == clean(value)
