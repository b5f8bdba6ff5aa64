"""What the published facts leave open, or what an organisation may choose: switches with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SalesSwitches:
    """How this Sales organisation behaves where there is a choice.

    ``products_active``: a new product is Active (an organisation setting; off in a new organisation, on for P2C).
    ``products_locked``: an Active product may be changed only when it is maintained externally.
    ``quotes_locked``: header and lines of a quote that is not Draft cannot be changed.
    ``price_list_mandatory``: a quote, order or invoice cannot be made without a price list.
    ``solution``: the Prospect to cash solution is installed and its rules run.
    ``without_bulk``: tables without bulk messages (the present list is not published).
    ``without_rights``: tables that no caller may touch, as when an application user lacks a role.
    ``override_created``: the caller may say when a row was made (``overriddencreatedon``), as data is moved.
    ``without_tracking``: tables for which change tracking is not switched on.
    ``pending_keys``: tables whose alternate keys are not active yet: no row can be addressed by them.
    ``servers``: web servers behind the address, each with its own limits; a client that sends the affinity cookie
    stays on one.
    ``protection``: the service protection limits are on, with the numbers after it.
    ``tracking_days``: a delta token older than this has expired.
    ``expired_status``: the HTTP status of an expired delta token (not published).
    ``business_status``: the HTTP status of the Sales app's own refusals (not published).
    ``repeated_targets``: whether one UpsertMultiple may name a row twice; the second then changes what the first made.
    ``failed_change_set``: a failed change set is answered as a ``change set`` that holds the failing part alone, or by
    that part in its place (``plain``); both are seen of OData services.
    ``link_host``: how the service spells its own host in links.
    ``bind_null``: what ``"nav@odata.bind": null`` does; documented as clearing the lookup, reported as ignored and as
    refused. ``"nav": null`` always clears.
    """

    products_active: bool = True
    products_locked: bool = True
    quotes_locked: bool = True
    price_list_mandatory: bool = False
    solution: bool = True
    without_bulk: tuple[str, ...] = ("organization",)
    without_rights: tuple[str, ...] = ()
    override_created: bool = True
    without_tracking: tuple[str, ...] = ()
    pending_keys: tuple[str, ...] = ()
    servers: int = 16
    protection: bool = True
    most_requests: int = 6000
    most_seconds: float = 1200.0
    most_concurrent: int = 52
    window: float = 300.0
    tracking_days: float = 7.0
    expired_status: int = 410
    business_status: int = 400
    repeated_targets: bool = True
    failed_change_set: Literal["change set", "plain"] = "change set"
    bind_null: Literal["clears", "ignores", "refuses"] = "ignores"
    link_host: Literal["as asked", "upper", "port"] = "as asked"
