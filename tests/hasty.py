"""A clock for tests of waits."""

from __future__ import annotations

from p2c_lib.waiting import Clock, Stop, never, unwanted


class Hasty(Clock):
    """A clock whose waits are over at once; it keeps how long they were to be."""

    def __init__(self) -> None:
        self.at, self.rests = 0.0, list[float]()

    def now(self) -> float:
        return self.at

    def rest(self, seconds: float, stop: Stop = never) -> None:
        if not unwanted(stop):
            self.rests.append(seconds)
            self.at += seconds
