"""A schedule's moments for APScheduler.

Its own cron trigger leaves out the first of April where the clocks were put forward in March, and comes twice in the
night they are put back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from p2c_lib.schedule.cron import Cron

__all__ = ["CronMoments"]


class CronMoments(BaseTrigger):  # type: ignore[misc]  # it has no types
    """The moments of a cron expression in a time zone."""

    __slots__ = ("cron", "zone")

    def __init__(self, cron: Cron, zone: str) -> None:
        self.cron, self.zone = cron, zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The moment after the previous one; the first from now on where there was none."""
        return self.cron.after(previous_fire_time or now - timedelta(microseconds=1), self.zone)
