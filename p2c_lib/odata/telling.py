"""Waits are told to whoever follows: which system, how long, why, and which try comes next."""

from __future__ import annotations

from p2c_lib.events import tell

__all__ = ["SYSTEMS", "WORTH_TELLING", "tell_wait"]

SYSTEMS = {"sales": "Sales", "finops": "F&O"}
WORTH_TELLING = 1.0  # seconds; shorter waits are nobody's news


def tell_wait(app: str, why: str, seconds: float, *, attempt: int = 0, of: int = 0, target: str = "") -> None:
    """Tell of a wait as an event: its ``text`` is for people, the rest for programs.

    ``why`` is how the system's name goes on: "asks to wait". ``attempt`` is the try that comes after it, ``of`` how
    many there are at most; 0 where it is no matter of tries.
    """
    if seconds < WORTH_TELLING:
        return
    system = SYSTEMS.get(app, app)
    then = f"; then try {attempt} of {of}" if of else ""
    text = f"{system} {why}: {seconds:,.0f} s{then}{f' ({target[:80]})' if target else ''}"
    facts = {"system": system, "seconds": round(seconds, 1), "attempt": attempt, "of": of, "target": target[:200]}
    tell(event="wait", **facts, why=why, text=text)
