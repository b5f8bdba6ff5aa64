"""Several chains of pages side by side, their pages handed over one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Full, Queue

from p2c_lib.odata.query import Page

__all__ = ["side_by_side"]

HELD_PAGES = 4
STEP_SECONDS = 0.05

Item = tuple[int, Page] | BaseException | None


def side_by_side(
    starts: Sequence[tuple[int, str]], pages: Callable[[int, str], Iterator[Page]], at_once: int
) -> Iterator[tuple[int, Page]]:
    """Pages with the number of their chain, as they come; within a chain in order.

    ``starts`` are numbers and first URLs. At most ``at_once`` chains run and a few pages are held, whatever the size
    of the set. What stops one chain stops all, and is raised.
    """
    runs = _Runs(starts, pages)
    runners = [threading.Thread(target=runs.run, daemon=True) for _ in range(min(at_once, len(starts)))]
    for runner in runners:
        runner.start()
    try:
        yield from runs.arriving(len(runners))
    finally:
        runs.stop.set()
        for runner in runners:
            runner.join()


class _Runs:
    """What the running threads share: chains that wait for one, and pages that have arrived."""

    def __init__(self, starts: Sequence[tuple[int, str]], pages: Callable[[int, str], Iterator[Page]]) -> None:
        self._pages = pages
        self._waiting: Queue[tuple[int, str]] = Queue()
        for start in starts:
            self._waiting.put(start)
        self._arrived: Queue[Item] = Queue(HELD_PAGES)
        self.stop = threading.Event()

    def run(self) -> None:
        """Take one chain after the other until none waits; hand over None at the end, or what went wrong."""
        try:
            while not self.stop.is_set():
                number, url = self._waiting.get_nowait()
                for page in self._pages(number, url):
                    if not self._hand_over((number, page)):
                        return
        except Empty:
            self._hand_over(None)
        except BaseException as error:  # carried to the reader's thread and raised there
            self._hand_over(error)

    def arriving(self, running: int) -> Iterator[tuple[int, Page]]:
        """The pages, until every thread has said that it is done."""
        while running:
            item = self._arrived.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def _hand_over(self, item: Item) -> bool:
        while not self.stop.is_set():
            try:
                self._arrived.put(item, timeout=STEP_SECONDS)
            except Full:
                continue
            return True
        return False
