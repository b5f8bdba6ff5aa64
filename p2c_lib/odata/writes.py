"""A write and its outcome, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from p2c_lib.errors import ServiceError

__all__ = ["Operation", "OutOfYears", "Write", "WriteResult"]

Operation = Literal["create", "update", "upsert", "delete"]


@dataclass(frozen=True, slots=True)
class OutOfYears:
    """A day or moment of a column, as text, that is outside the years 1 to 9999: no plain value can stand for it."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Write:
    """One row to create, update, upsert (Sales only) or delete.

    ``key`` names the row: in Sales its primary id or the columns of one alternate key, in F&O every key field with
    ``dataAreaId``; a create needs none. ``body`` holds plain Python values by column; a value of None is empty.
    With ``etag`` the row is only touched while it has not moved.
    """

    op: Operation
    entity_set: str
    key: Mapping[str, object] | None
    body: Mapping[str, object]
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one write: ``status`` of its answer, the row's id where the service told it, or the error.

    ``etag`` is the version that the write itself gave the row, where its answer tells it.
    """

    status: int
    row_id: str | None
    error: ServiceError | None
    request_id: str
    etag: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the service did it."""
        return self.error is None
