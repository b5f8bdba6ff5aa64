"""Who answers at an address: nothing is taken for the service that does not say so itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p2c_lib.config import Connection
from p2c_lib.errors import NotTheService
from p2c_lib.service_url import host_of, moved, same_service

__all__ = ["Identity", "no_answer", "of_finops", "of_sales"]

NOBODY = "00000000-0000-0000-0000-000000000000"
DOCUMENT = "/data/$metadata"  # what F&O's service document says that it is of


@dataclass(frozen=True)
class Identity:
    """Which environment answers, and as whom: in F&O, which tells neither, the host stands for the organisation."""

    app: str
    url: str
    organisation: str
    user: str


def of_finops(here: Connection, said: Mapping[str, Any]) -> Identity:
    """The identity behind F&O's service document. Raises NotTheService for JSON that is none, or another service's."""
    context, sets = said.get("@odata.context"), said.get("value")
    if not isinstance(context, str) or not isinstance(sets, list):
        raise _stranger(here, "service document", f"names no entity sets but {_named(said)}")
    if not same_service(context, here.url) or moved(context, here.url) != moved(f"{here.url}{DOCUMENT}", here.url):
        raise _stranger(here, "service document", f"is of {context[:200]}, not of {here.url}{DOCUMENT}")
    return Identity(here.app, here.url, host_of(here.url), here.client_id)


def of_sales(here: Connection, said: Mapping[str, Any]) -> Identity:
    """The identity that WhoAmI tells. Raises NotTheService for an answer without an organisation or a user."""
    told = [str(said.get(name) or "") for name in ("OrganizationId", "UserId")]
    if all(each and each != NOBODY for each in told):
        return Identity(here.app, here.url, *told)
    raise _stranger(here, "WhoAmI", f"names no OrganizationId and UserId but {_named(said)}")


def no_answer(here: Connection, target: str) -> NotTheService:
    """The error for an answer that is no JSON object however often it is asked for."""
    return _stranger(here, target, "is no JSON object")


def _named(said: Mapping[str, Any]) -> str:
    return ", ".join(str(name)[:40] for name in list(said)[:6]) or "nothing"


def _stranger(here: Connection, target: str, found: str) -> NotTheService:
    system = "F&O" if here.app == "finops" else "Sales"
    return NotTheService(
        f"{target}: the answer at {here.url} {found}, which is not what {system} says.",
        status=200,
        target=target,
        hint=f"Is url in p2c.toml the address of {system}, and does nothing between here and it change its answers?",
    )
