"""Runs that start by themselves: kept by name, started when due, or handed to the scheduler a house has already."""

from p2c_lib.schedule.cron import Cron
from p2c_lib.schedule.store import Schedule, Schedules

__all__ = ["Cron", "Schedule", "Schedules"]
