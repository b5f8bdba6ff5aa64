"""``/api/services``: custom services as JSON, listed group by group; here there is the one about the user's session."""

from __future__ import annotations

import json
from typing import Any

from p2c_lib.sandbox.finops.refusals import bad_body, not_here
from p2c_lib.sandbox.finops.write import body_of
from p2c_lib.sandbox.wire import Answer, Call, Refusal

_GROUP, _SERVICE, _OPERATION = "UserSessionService", "AifUserSessionService", "GetUserSessionInfo"


def json_services(call: Call, path: str, company: str) -> Answer:
    """The list that a path below ``/api`` names, or with POST what the operation answers; `Refusal` for the rest."""
    area, *names = path.strip("/").split("/")
    if area.lower() != "services":
        raise not_here(f"/api/{area[:80]}")
    given = [name.lower() for name in names if name]
    own = [name.lower() for name in (_GROUP, _SERVICE, _OPERATION)]
    if len(given) > len(own) or given != own[: len(given)]:
        raise not_here(f"The service '{'/'.join(names)[:120]}'")
    if call.method == "POST" and len(given) == len(own):
        unknown = next(iter(body_of(call) if call.body.strip() else {}), None)
        if unknown is not None:
            raise bad_body(f"The parameter '{unknown[:80]}' is not one of '{_OPERATION}', which takes none.")
        return _json(_session(company))
    if call.method != "GET":
        raise Refusal(405, "", f"The requested resource does not support http method '{call.method}'.")
    return _json(_LISTS[len(given)])


def _session(company: str) -> dict[str, Any]:
    return {
        "$id": "1",
        "AXLanguage": "en-us",
        "Company": company,
        "CompanyTimeZone": "GMT_COORDINATEDUNIVERSALTIME",
        "CurrencyInfo": {"$id": "2", "CurrencyCode": "USD", "Description": "US Dollar", "ExchangeRate": 100.0},
        "IsSysAdmin": True,
        "UserId": "integration",
        "UserPreferredCalendar": "Gregorian",
        "UserPreferredTimeZone": "GMT_COORDINATEDUNIVERSALTIME",
    }


_LISTS: tuple[dict[str, Any], ...] = (
    {"ServiceGroups": [{"Name": _GROUP}]},
    {"Services": [{"Name": _SERVICE}]},
    {"Operations": [{"Name": _OPERATION}]},
    {"Parameters": [], "Return": {"Name": "return", "Type": "UserSessionInfo"}},
)


def _json(body: dict[str, Any]) -> Answer:
    return Answer(200, [("Content-Type", "application/json; charset=utf-8")], json.dumps(body).encode())
