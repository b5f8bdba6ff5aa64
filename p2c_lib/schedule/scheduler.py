"""Scheduled runs: one now, or all of them when they are due, in the foreground until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from p2c_lib.config import Workspace
from p2c_lib.ending import beside, heeded
from p2c_lib.errors import P2CError, RunError
from p2c_lib.ledger import open_ledger
from p2c_lib.notices import Notice, announce
from p2c_lib.runs.stopping import stoppable
from p2c_lib.schedule.alone import alone
from p2c_lib.schedule.cron import Cron
from p2c_lib.schedule.store import Schedule, Schedules

__all__ = ["run_now", "serve"]

RUN_LOCK, SCHEDULER_LOCK = "scheduled-run.lock", "scheduler.lock"
LOOK_SECONDS = 5
ENDS = {0: "clean", 1: "differences", 2: "error", 130: "interrupted", 143: "interrupted"}

Tell = Callable[[str], None]


def run_now(place: Workspace, name: str, tell: Tell) -> int:
    """Carry out the run of a schedule now, alone in the workspace; its exit code.

    A run that could not begin or was killed told nobody: that is told here. Raises UnknownName, and RunError while
    another scheduled run is under way.
    """
    schedules = Schedules(place)
    schedule = schedules.get(name)
    started = datetime.now(UTC)
    with alone(place.state / RUN_LOCK, f"the schedule {name}") as lock:
        schedules.ran(name, started, f"began {_words(started)}")
        tell(f"{name}: p2c run {' '.join(schedule.words)}")
        code = _carried_out(schedule, place, lock)
        ended = ENDS.get(code, f"killed ({code})")
        schedules.ran(name, started, f"{ended} {_words(datetime.now(UTC))}")
        tell(f"{name}: ended {ended}")
        if code not in {0, 130, 143} and not _recorded(place, started):
            announce(_silent_end(schedule, code, place), place, tell)
    return code


def serve(place: Workspace, tell: Tell) -> None:
    """Start every schedule's run when it is due, one at a time, until SIGINT or SIGTERM.

    A moment missed by less than the schedule's grace is made up for once; one missed by more is told and left out.
    Schedules that are added or removed meanwhile are noticed. Raises RunError while another scheduler serves here.
    """
    with alone(place.state / SCHEDULER_LOCK, "a scheduler"), stoppable():
        serving = None
        try:
            serving = _Serving(place, tell)
            serving.start()
        except KeyboardInterrupt:
            tell("stopping; a run under way ends first")
            if serving is not None:
                serving.stop()


class _Serving:
    """APScheduler with the schedules of a workspace as its jobs."""

    def __init__(self, place: Workspace, tell: Tell) -> None:
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.blocking import BlockingScheduler

        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # what it would say is told in our words
        self._place, self._tell, self._schedules = place, tell, Schedules(place)
        self._known: dict[str, Schedule] = {}
        self._jobs = BlockingScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1), "look": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1},
        )
        self._jobs.add_listener(self._missed, EVENT_JOB_MISSED)
        self._jobs.add_listener(self._still_running, EVENT_JOB_MAX_INSTANCES)
        self._jobs.add_listener(self._failed, EVENT_JOB_ERROR)

    def start(self) -> None:
        self._look()
        self._jobs.add_job(self._look, "interval", seconds=LOOK_SECONDS, executor="look", id=" look")
        self._jobs.start()

    def stop(self) -> None:
        _interrupt_child()
        if self._jobs.running:
            self._jobs.shutdown(wait=True)

    def _look(self) -> None:
        """Take up schedules that are new, drop those that are gone; one that has other times now is both."""
        now = {one.name: one for one in self._schedules.all()}
        for name in {name for name, one in self._known.items() if name not in now or _times(now[name]) != _times(one)}:
            self._jobs.remove_job(name)
            self._tell(f"{name}: removed")
            del self._known[name]
        for name in set(now) - set(self._known):
            self._take_up(now[name])
            self._known[name] = now[name]

    def _take_up(self, one: Schedule) -> None:
        from p2c_lib.schedule.trigger import CronMoments

        moments, now = CronMoments(Cron.parsed(one.cron), one.zone), datetime.now(UTC)
        grace, due = timedelta(minutes=one.grace), one.due()
        start = max(due, moments.get_next_fire_time(None, now - grace))
        self._jobs.add_job(
            self._job, moments, [one.name], id=one.name, misfire_grace_time=one.grace * 60, next_run_time=start
        )
        when = "now, it was missed" if start <= now else f"{start:%Y-%m-%d %H:%M %Z}"
        self._tell(f"{one.name}: '{one.cron}' {one.zone}, next {when}")
        if due < start and start > now:
            self._too_late(one.name, due)

    def _job(self, name: str) -> None:
        try:
            run_now(self._place, name, self._tell)
        except RunError as error:
            self._tell(f"{name}: not started: {error}")

    def _missed(self, event: Any) -> None:
        self._too_late(event.job_id, event.scheduled_run_time)

    def _too_late(self, name: str, moment: datetime) -> None:
        self._schedules.ran(name, moment, f"missed {_words(moment)}")
        self._tell(f"{name}: missed at {_words(moment)}, longer ago than its grace; it waits for its next time")

    def _still_running(self, event: Any) -> None:
        self._tell(f"{event.job_id}: due again while it runs; left out")

    def _failed(self, event: Any) -> None:
        self._tell(f"{event.job_id.strip()}: {event.exception}")


def _times(one: Schedule) -> tuple[str, str, int]:
    return one.cron, one.zone, one.grace


_children: list[subprocess.Popen[bytes]] = []


def _carried_out(schedule: Schedule, place: Workspace, lock: int) -> int:
    """The exit code of ``p2c run`` in a process of its own, which holds the lock as long as it lives."""
    command = [sys.executable, "-m", "p2c_lib.cli", "run", *schedule.words]
    environment = {**os.environ, "P2C_WORKSPACE": str(place.root)}
    # A session of its own: Ctrl-C reaches it once, from here, and lets what is in flight end.
    further: dict[str, Any] = {"pass_fds": (lock,), "start_new_session": True} if os.name == "posix" else {}
    child = subprocess.Popen(command, cwd=place.root, env=environment, stdin=subprocess.DEVNULL, **further)  # noqa: S603 - our own interpreter, no shell
    _children.append(child)
    try:
        with beside(child):
            return _awaited(child)
    finally:
        _children.remove(child)


def _awaited(child: subprocess.Popen[bytes]) -> int:
    try:
        return child.wait()
    except KeyboardInterrupt:
        _interrupt_child()
        return child.wait()


def _interrupt_child() -> None:
    for child in _children:
        heard = os.name == "posix" and signal.SIGINT in heeded()  # what this process ignores its child does too
        child.send_signal(signal.SIGINT if heard else signal.SIGTERM)


def _recorded(place: Workspace, started: datetime) -> bool:
    """Whether the ledger knows of a run that began since and came to its end, and so told whom it had to."""
    try:
        ledger = open_ledger(place.ledger)
    except P2CError:
        return False
    try:
        since = (started - timedelta(seconds=1)).isoformat(timespec="milliseconds")
        return any(run["started"] >= since and run["ended"] is not None for run in ledger.runs())
    finally:
        ledger.close()


def _silent_end(schedule: Schedule, code: int, place: Workspace) -> Notice:
    how = "could not begin" if code in {1, 2} else f"was ended from outside ({code})"
    lines = (
        f"The run of the schedule {schedule.name} {how}.",
        f"Workspace: {place.root}",
        "",
        f"To do: try it by hand, which says why: p2c schedule run {schedule.name}",
    )
    return Notice(("failure",), f"p2c: the scheduled run {schedule.name} {how}", lines)


def _words(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
