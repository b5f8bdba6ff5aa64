"""How long the workbench waits for a service, and how slow an answer may be."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["Patience"]

DOUBLINGS = 30


@dataclass(frozen=True)
class Patience:
    """How long one request may take with all its waits, in seconds, and how waits grow when the service names none.

    ``tries`` is how often it is sent at most. One try waits ``answer_seconds`` for the first byte of its answer, or
    ``write_seconds`` when it carries a body: a batch of hundreds of writes may take minutes. What has begun to move,
    up or down, moves with ``least_speed`` bytes a second over every ``slow_seconds``, however much it is; an answer is
    whole after ``whole_seconds``. An import of a package is waited for ``package_seconds``.
    """

    budget: float = 600.0
    first_wait: float = 0.05
    longest_wait: float = 30.0
    wait_without_answer: float = 60.0
    tries: int = 40
    answer_seconds: float = 120.0
    write_seconds: float = 600.0
    least_speed: float = 1_000.0
    slow_seconds: float = 60.0
    whole_seconds: float = 1_800.0
    package_seconds: float = 21_600.0  # a first load of some million rows takes hours

    def wait(self, attempt: int) -> float:
        """The wait before try ``attempt`` + 1: doubling, at random between half and whole."""
        grown = self.first_wait * 2.0 ** min(attempt, DOUBLINGS)
        return min(grown, self.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Patience:
        """The patience a table of numbers describes. Raises ValueError saying which entry does not fit."""
        names = {one.name: one.type for one in fields(cls)}
        for name, value in told.items():
            if name not in names:
                raise ValueError(f"{name} is none of {', '.join(names)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value!r}, and must be a number above 0")
            if names[name] == "int" and not isinstance(value, int):
                raise ValueError(f"{name} is {value!r}, and must be a whole number")
        return cls(**told)
