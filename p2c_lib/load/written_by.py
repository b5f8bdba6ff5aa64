"""Who writes what: one run or apply at a time for a task and its destination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import P2CError, PlanError, RunError
from p2c_lib.ledger.holders import named
from p2c_lib.service_url import same_service

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.plan import Plan

__all__ = ["Writing", "refuse_outdated"]


class Writing:
    """What is written, by the names of its leases: a task and its destination each."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._words)

    def add(self, task: str, app: str, url: str, company: str) -> None:
        """A task that is written there; what Sales holds is one for all companies that share it."""
        of = company.upper() if app == "finops" else ""
        name = sha256(json.dumps([url.lower(), of, task]).encode()).hexdigest()
        self._words[f"writes {name[:48]}"] = f"{task} of {of}" if of else task

    @classmethod
    def of(cls, plan: Plan) -> Writing:
        """What a plan writes."""
        made, at = cls(), plan.facts["destination"]
        made.add(plan.task, at["app"], at["url"], str(at["company"] or ""))
        return made

    def busy(self, name: str, holder: str) -> P2CError:
        """The error where another has one of these leases."""
        hint = "Wait until it has ended; if its machine is gone, this is free again after two minutes."
        return RunError(f"{self._words[name]} is being written by {named(holder)}.", hint=hint)


def refuse_outdated(plan: Plan, ledger: Ledger) -> None:
    """Raises PlanError where another plan wrote the same task there after the rows of this one were read."""
    at: Mapping[str, Any] = plan.facts["destination"]
    found = ledger.written_since(
        at["read_at"], task=plan.task, company=at["company"], entity_set=at["entity_set"], but=plan.id
    )
    rows = sum(count for folder, count in found.items() if _same_place(Path(folder), at["url"]))
    if rows:
        raise PlanError(
            f"Another run wrote {rows:,} rows of {plan.task} since this plan's rows were read.",
            hint="Make a new plan: it stands on what is there now.",
        )


def _same_place(folder: Path, url: str) -> bool:
    """Whether a plan's destination is this system; one whose file is gone may have been."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return same_service(json.loads((folder / "plan.json").read_text("utf-8"))["destination"]["url"], url)
    return True
