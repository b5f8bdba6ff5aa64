"""The reasons not to apply a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import GateClosed, PlanError, WrongEnvironment
from p2c_lib.plan.files import refuse_secrets
from p2c_lib.service_url import same_service

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["check_place", "refuse"]


def refuse(plan: Plan, session: Session, ledger: Ledger) -> None:
    """Raise unless this plan may be applied with this session.

    GateClosed, PlanAltered, WrongEnvironment, or PlanError for a plan that holds a secret, is its own source, beyond
    its limits, or not approved where the connection set is protected.
    """
    facts = plan.facts
    if facts["gate"]["verdict"] == "blocked":
        raise GateClosed(
            f"The gate of this plan is closed: {facts['gate']['why']}", hint="Mend the data and plan again."
        )
    plan.verify()
    refuse_secrets(plan.operations, facts)
    for side in ("destination", "source"):
        check_place(facts[side], session)
    source, destination = facts["source"], facts["destination"]
    if source["entity_set"] == destination["entity_set"] and _same_place(source["url"], destination["url"]):
        raise PlanError("Source and destination of this plan are the same entity set.", hint="Check the template.")
    for says in _beyond_limits(plan):
        raise PlanError(says, hint="Look at the plan; raise the limit only if it is right.")
    if session.set.protected and not ledger.approvals(plan.id):
        raise PlanError(
            f"The connection set {session.set.name} is protected and nobody approved this plan.",
            hint=f"Look at it, then: p2c approve {plan.folder}",
        )


def check_place(planned: dict[str, Any], session: Session) -> None:
    """Raise WrongEnvironment unless a session speaks to the system and the company of one side of a plan.

    What the settings tell comes first; who answers there is only asked where they fit.
    """
    client = session.client(planned["app"])
    _check_same("url", planned["url"], client.connection.url)
    _check_same("company", planned["company"], session.company)
    _check_same("organisation", planned["organisation"], client.identity().organisation)


def _check_same(name: str, planned: str | None, here: str) -> None:
    if planned and here and not _same_place(planned, here):
        raise WrongEnvironment(
            f"The plan was made for the {name} {planned}; this session speaks to {here}.",
            hint="Connect to the plan's systems, or make a new plan here.",
        )


def _same_place(one: str, other: str) -> bool:
    """Whether two names or addresses are one; F&O's organisation is its host."""
    addresses = [each if "://" in each else f"https://{each}" for each in (one, other)]
    return one.lower() == other.lower() or same_service(*addresses)


def _beyond_limits(plan: Plan) -> Iterator[str]:
    limits = plan.facts["limits"]
    for limit, rows in (("max_creates", plan.creates), ("max_updates", plan.updates)):
        allowed = limits.get(limit)
        if allowed is not None and rows > allowed:
            yield f"The plan has {rows:,} rows where {limit} allows {allowed:,}."
    share, there = limits.get("max_share_changed"), plan.facts["destination"]["rows"]
    if share is not None and plan.updates > share * there:
        yield (
            f"The plan changes {plan.updates:,} of the {there:,} rows at the destination, where max_share_changed "
            f"allows {share:.1%}."
        )
