"""A run in the terminal while it goes on: for each task its step, rows, rate and the time left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from p2c_lib.secrecy import harmless, masked

__all__ = ["RunDisplay"]


class _Rows(TextColumn):
    """Rows done of all, and rows a second."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """The two numbers."""
        if not task.completed:
            return Text("")
        of = "" if task.total is None else f" of {task.total:,.0f}"
        rate = "" if task.finished or not task.speed else f", {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{of} rows{rate}")


class RunDisplay:
    """Shows the events of a run on stderr; lines said meanwhile stand above."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[step]}"),
            BarColumn(bar_width=20),
            _Rows(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._shown: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        """Something that happened, as a line that stays."""
        self._progress.console.print(harmless(masked(text)), markup=False, highlight=False)

    def event(self, event: Mapping[str, Any]) -> None:
        """An event of the run."""
        if event["event"] == "step":
            for told in event.get("changed", ()):
                self.line(f"{event['task']}, {event['step']}: {told}")
            self._step(event)
        elif event["event"] == "wait":
            self.line(str(event["text"]))
        elif event["event"] == "progress":
            self._progress.update(self._of(event), completed=event["done"], total=event["of"], step=event["step"])

    def _step(self, event: Mapping[str, Any]) -> None:
        shown = self._of(event)
        if event["state"] == "started":
            self._progress.reset(shown, step=event["step"])
            next(line for line in self._progress.tasks if line.id == shown).total = None
        elif event["step"] == "finish":
            self._progress.update(shown, total=1, completed=1, step="done")
            self._progress.remove_task(self._shown.pop((str(event["run"]), str(event["task"]))))

    def _of(self, event: Mapping[str, Any]) -> TaskID:
        """The line of a task; several companies walk the same task."""
        key = str(event["run"]), str(event["task"])
        if key not in self._shown:
            self._shown[key] = self._progress.add_task(key[1], total=None, step="")
        return self._shown[key]
