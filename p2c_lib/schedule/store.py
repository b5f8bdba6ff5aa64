"""The schedules of a workspace: a file in ``.p2c/`` that names runs and when they start. It holds no secret."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.schedule.alone import alone
from p2c_lib.schedule.cron import Cron, zone_named

__all__ = ["Schedule", "Schedules"]

FILE = "schedules.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Schedule:
    """A run that starts by itself: ``parameters`` are those of ``p2c run``, ``grace`` the minutes it may start late.

    ``since`` is when it was last due, or made; ``last`` is how that ended.
    """

    name: str
    cron: str
    zone: str
    tasks: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    companies: tuple[str, ...] = ()
    grace: int = 60
    since: str = ""
    last: str = ""

    @property
    def words(self) -> list[str]:
        """What follows ``p2c run``."""
        given = dict(self.parameters)
        words = [*self.tasks, "--set", str(given.pop("connection_set", "sandbox"))]
        words += [word for company in self.companies for word in ("--company", company)]
        words += ["--apply"] if given.pop("apply", False) else []
        words += [] if given.pop("full", True) else ["--incremental"]
        for name, value in given.items():
            words += ["--param", f"{name}={json.dumps(value)}"]
        return words

    def due(self) -> datetime:
        """The first moment after it was last due: in the past when one was missed."""
        return Cron.parsed(self.cron).after(datetime.fromisoformat(self.since), self.zone)

    def next(self) -> datetime:
        """The next moment from now on."""
        return Cron.parsed(self.cron).after(datetime.now(UTC), self.zone)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"next": self.next().isoformat()}


class Schedules:
    """The schedules of a workspace by name; every change is one file put in the place of the other."""

    def __init__(self, place: Workspace) -> None:
        self.place = place
        self._file = place.state / FILE

    def all(self) -> tuple[Schedule, ...]:
        """Every schedule, by name. Raises ConfigError for a file that somebody broke."""
        try:
            content = json.loads(self._file.read_text("utf-8"))
            return tuple(_read(content[name]) for name in sorted(content))
        except FileNotFoundError:
            return ()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"The schedules in {self._file} cannot be read ({error}).", hint="Mend or remove it."
            ) from None

    def get(self, name: str) -> Schedule:
        """The schedule of that name. Raises UnknownName."""
        found = {one.name: one for one in self.all()}
        if name not in found:
            raise UnknownName("schedule", name, found)
        return found[name]

    def add(self, schedule: Schedule) -> Schedule:
        """Keep a new schedule, with its time zone spelled out.

        Raises ConfigError for a name that is taken or none, and for a wrong expression; UnknownName for a wrong zone.
        """
        if not NAME.fullmatch(schedule.name):
            hint = "Use small letters, digits and dashes, at most 40."
            raise ConfigError(f"'{schedule.name}' is no name for a schedule.", hint=hint)
        if schedule.name in {one.name for one in self.all()}:
            hint = f"Remove it first: p2c schedule remove {schedule.name}"
            raise ConfigError(f"There is a schedule {schedule.name} already.", hint=hint)
        if schedule.grace < 1:
            raise ConfigError(f"A grace of {schedule.grace} minutes is too short.", hint="Give at least 1.")
        cron, zone = Cron.parsed(schedule.cron).text, zone_named(schedule.zone)
        made = replace(schedule, cron=cron, zone=zone, since=datetime.now(UTC).isoformat(timespec="seconds"))
        self._change(lambda known: [*known, made])
        return made

    def remove(self, name: str) -> None:
        """Forget a schedule. Raises UnknownName."""
        gone = self.get(name)
        self._change(lambda known: [one for one in known if one.name != gone.name])

    def ran(self, name: str, due: datetime, last: str) -> None:
        """A schedule was due, and how that ended; one that was removed meanwhile stays removed."""
        stamp = due.astimezone(UTC).isoformat(timespec="seconds")
        self._change(lambda known: [replace(o, since=stamp, last=last) if o.name == name else o for o in known])

    def _change(self, change: Callable[[tuple[Schedule, ...]], list[Schedule]]) -> None:
        """Read, change and write in one go: a scheduler and a command line may do so at the same time."""
        with alone(self._file.with_suffix(".lock"), "a change of the schedules", wait=True):
            changed = {one.name: asdict(one) for one in change(self.all())}
            draft = self._file.with_suffix(".part")
            draft.write_text(json.dumps(changed, indent=2), "utf-8")
            os.replace(draft, self._file)


def _read(content: Mapping[str, Any]) -> Schedule:
    made = Schedule(**{**content, "tasks": tuple(content["tasks"]), "companies": tuple(content["companies"])})
    Cron.parsed(made.cron)
    return made
