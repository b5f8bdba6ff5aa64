"""Which rows of two sides need a look: all but those that pair off by the hashes of their key and of their values.

A row is three numbers here, so that ten million rows a side are paired by one sort in a second; the rows themselves
stay where they are.
"""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import duckdb

__all__ = ["unmatched"]

Numbers: TypeAlias = np.typing.NDArray[Any]
Hashes: TypeAlias = Mapping[str, Numbers]
AT_ONCE = 60_000_000
BLOCK = 1 << 18
SIDES = ("e", "a")


def unmatched(database: duckdb.DuckDBPyConnection, queries: Sequence[str], rows: int) -> tuple[Numbers, Numbers]:
    """The positions of the rows on each side that do not pair off, in order.

    The two ``queries`` give (``i``, ``k``, ``r``) of a side: position, hash of the key, hash of the key and the values.
    Two rows pair off where each is alone with its key on its side and both hashes agree; rows without a key never do.
    More than AT_ONCE ``rows`` of both sides are taken by parts of the keys, through a table that may spill to disk.
    """
    no_key = database.sql("SELECT hash(NULL::VARCHAR) AS k").fetchnumpy()["k"][0]
    found = [_apart(sides, no_key) for sides in _parts(database, queries, 1 + rows // AT_ONCE)]
    expected, actual = (np.sort(np.concatenate(side)) for side in zip(*found, strict=True))
    return expected, actual


def _parts(database: duckdb.DuckDBPyConnection, queries: Sequence[str], parts: int) -> Iterator[list[Hashes]]:
    """The hashes of both sides; rows of one key are always in one part."""
    if parts == 1:
        yield [database.sql(query).fetchnumpy() for query in queries]
        return
    for side, query in zip(SIDES, queries, strict=True):
        database.execute(f"CREATE TEMP TABLE hashes_{side} AS {query}")
    for part in range(parts):
        chosen = f"SELECT i, k, r FROM hashes_{{}} WHERE k % {parts} = {part}"
        yield [database.sql(chosen.format(side)).fetchnumpy() for side in SIDES]
    for side in SIDES:
        database.execute(f"DROP TABLE hashes_{side}")


def _apart(sides: Sequence[Hashes], no_key: np.uint64) -> list[Numbers]:
    """The positions on each side whose key does not stand exactly once on both sides with the same values.

    One sort of single numbers brings the pairs together: the leading bits of the key's hash, then the side, then the
    row's place. Keys that only begin alike are left apart, and so looked at.
    """
    bits = max(len(side["k"]) for side in sides).bit_length()
    low, place = np.uint64(bits + 1), np.uint64((1 << bits) - 1)
    packed = _sorted(sides, bits)
    alone = [np.ones(len(side["i"]), np.bool_) for side in sides]
    for first in _twos(packed, low):
        expected, actual = packed[first], packed[first + 1]
        both = ((expected ^ actual) > place) & (expected >> low != no_key >> low)
        expected, actual = (expected[both] & place).astype(np.int64), (actual[both] & place).astype(np.int64)
        agree = sides[0]["r"][expected] == sides[1]["r"][actual]
        alone[0][expected[agree]] = False
        alone[1][actual[agree]] = False
    return [side["i"][one] for side, one in zip(sides, alone, strict=True)]


def _sorted(sides: Sequence[Hashes], bits: int) -> Numbers:
    """Each row as a number: the beginning of its key's hash, a bit for the side, ``bits`` for its place; sorted."""
    packed = np.concatenate([side["k"] for side in sides])
    packed >>= np.uint64(bits + 1)
    packed <<= np.uint64(bits + 1)
    begin = 0
    for number, side in enumerate(sides):
        end = begin + len(side["k"])
        packed[begin:end] |= np.arange(number << bits, (number << bits) + end - begin, dtype=np.uint64)
        begin = end
    packed.sort()
    return packed


def _twos(packed: Numbers, low: np.uint64) -> Iterator[Numbers]:
    """Where a sorted number and the next, and no other, have the same key; block by block."""
    again = np.zeros(len(packed) + 1, np.bool_)  # whether a number has the key of the one before
    for begin in range(1, len(packed), BLOCK):
        keys = packed[begin - 1 : begin + BLOCK] >> low
        np.equal(keys[1:], keys[:-1], out=again[begin : begin + len(keys) - 1])
    twos = again[1:-1] & ~again[:-2] & ~again[2:]
    for begin in range(0, len(twos), BLOCK):
        yield np.flatnonzero(twos[begin : begin + BLOCK]) + begin
