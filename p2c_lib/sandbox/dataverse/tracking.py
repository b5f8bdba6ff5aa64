"""Delta tokens: what goes with change tracking, the link to the next changes, and when a token has expired."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.wire import Refusal

_FORM = "%m/%d/%Y %H:%M:%S"


def check_options(options: Options) -> None:
    """Only ``$select`` goes with change tracking."""
    refused = {
        "filter": options.filter is not None,
        "orderby": bool(options.order),
        "expand": bool(options.expand),
        "top": options.top is not None,
    }
    for name, came in refused.items():
        if came:
            message = f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
            raise bad_query(message)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to which version rows were told, and up to which deletions."""

    rows: int
    deletions: int


def token(position: Position, at: float) -> str:
    """The token of a version: ``919042!08/22/2017 08:10:44``; between two pages with that of the deletions behind."""
    behind = "" if position.rows == position.deletions else f"!{position.deletions}"
    return f"{position.rows}!{datetime.fromtimestamp(at, UTC).strftime(_FORM)}{behind}"


def delta_link(url: str, options: Options, position: Position) -> str:
    """The member that tells where the next changes are."""
    select = f"$select={','.join(options.select)}&" if options.select else ""
    path = url.partition("?")[0]
    stamped = quote(token(position, time.time()), safe="")
    return f',"@odata.deltaLink":{json.dumps(f"{path}?{select}$deltatoken={stamped}")}'


def read_token(organisation: Organisation, text: str) -> Position:
    """The position of a token; `Refusal` when it has expired or is none."""
    version, _, rest = text.partition("!")
    stamp, _, behind = rest.partition("!")
    try:
        at = datetime.strptime(stamp, _FORM).replace(tzinfo=UTC).timestamp()
        number = int(version)
        position = Position(number, int(behind) if behind else number)
    except ValueError as error:
        raise bad_query(f"The delta token '{text[:100]}' cannot be read: use @odata.deltaLink as it came.") from error
    expired = time.time() - at > organisation.switches.tracking_days * 86400
    if expired or max(position.rows, position.deletions) > organisation.store.version + 1_000_000:
        raise Refusal(
            organisation.switches.expired_status,
            "0x80044352",
            "Version stamp associated with the client has expired. Please perform a full sync.",
        )
    return position


def latest_version(organisation: Organisation) -> int:
    """The version of the latest write that a read which begins now will see."""
    row = organisation.store.connection.execute("SELECT value FROM counters WHERE name = 'version'").fetchone()
    return int(row[0]) if row else 0
