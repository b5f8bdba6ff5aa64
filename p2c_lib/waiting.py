"""Waits that end at once when nobody wants them any more, and the clock they go by.

A wait is unwanted once its own ``stop`` says so, once a scope that it stands in (``halting``) does, or once the whole
process was asked to end. ``Threads`` are workers inside such a scope: whoever leaves them by an error or by Ctrl-C does
not have to wait for what they wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

__all__ = [
    "LOOK",
    "WALL",
    "Clock",
    "Stop",
    "Threads",
    "apart",
    "end_every_wait",
    "halting",
    "never",
    "threads",
    "unwanted",
]

LOOK = 0.2  # seconds between two looks whether a wait is still wanted

Stop = Callable[[], bool]
P = ParamSpec("P")
T = TypeVar("T")

_ENDING = threading.Event()
_HALTS: ContextVar[tuple[Stop, ...]] = ContextVar("halts", default=())


def never() -> bool:
    """Nobody asks to stop."""
    return False


def unwanted(stop: Stop = never) -> bool:
    """Whether to wait no longer: ``stop`` says so, or a scope around this place, or the process is to end."""
    return stop() or _ENDING.is_set() or any(halt() for halt in _HALTS.get())


def end_every_wait() -> None:
    """From now on nothing in this process waits: it was asked to end."""
    _ENDING.set()


@contextmanager
def halting(stop: Stop) -> Iterator[None]:
    """Inside, and in ``Threads`` that are given work inside, no wait goes on once ``stop`` says so."""
    token = _HALTS.set((*_HALTS.get(), stop))
    try:
        yield
    finally:
        _HALTS.reset(token)


class Clock:
    """The time that passes, in seconds, and waiting for it; a test puts one of its own in the place of ``WALL``."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def rest(self, seconds: float, stop: Stop = never) -> None:
        """Wait, but no longer than the wait is wanted."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not unwanted(stop):
            time.sleep(min(left, LOOK))


WALL = Clock()


class Threads(ThreadPoolExecutor):
    """Worker threads that stand in the scopes of whoever gives them work, and in one of their own."""

    def __init__(self, most: int | None = None, name: str = "") -> None:
        super().__init__(most, name)
        self._left = threading.Event()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin ``fn`` in a thread."""
        context = copy_context()

        def work() -> T:
            with halting(self._left.is_set):
                return fn(*args, **kwargs)

        return super().submit(context.run, work)

    def leave(self) -> None:
        """Begin nothing further, and cut short what the threads wait for."""
        self._left.set()
        self.shutdown(wait=False, cancel_futures=True)


def apart(work: Callable[[], T], seconds: float, clock: Clock = WALL) -> T:
    """What ``work`` comes to, done in a thread of its own, which is left behind when nobody waits for it any more.

    For what waits in somebody else's code, where no watch reaches. Raises what ``work`` raises, and TimeoutError after
    the seconds, or when the wait is unwanted.
    """
    done: Future[T] = Future()
    context = copy_context()

    def carry_out() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:  # carried to whoever waits
            done.set_exception(error)

    threading.Thread(target=carry_out, name="apart", daemon=True).start()
    began = clock.now()
    while not done.done():
        if unwanted() or clock.now() - began > seconds:
            raise TimeoutError(f"not done after {clock.now() - began:,.0f} s")
        wait([done], timeout=LOOK)
    return done.result()


@contextmanager
def threads(most: int | None = None, name: str = "") -> Iterator[Threads]:
    """Worker threads for the duration. An error or Ctrl-C cuts short what they wait for; they end in any case."""
    pool = Threads(most, name)
    try:
        yield pool
    except BaseException:
        pool.leave()
        raise
    finally:
        pool.shutdown()
