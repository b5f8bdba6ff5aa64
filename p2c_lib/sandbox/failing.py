"""Operations that fail: at an address of its own, as a fault profile wants it, and by a fault of the sandbox itself.

Nobody can guess the address: it holds a number drawn when the process starts.
"""

from __future__ import annotations

import logging
import secrets
import uuid

from p2c_lib.sandbox.wire import Call, Refusal

_PREFIX = f"/sandbox/failing-{secrets.token_hex(8)}/"
MESSAGES = {
    429: "This request could not be processed at this time due to system experiencing high resource utilization.",
    500: "An unexpected error occurred.",
    503: "The service is unavailable.",
}


def failing_path(status: int) -> str:
    """The address whose operations are refused with this status."""
    return f"{_PREFIX}{status}"


_log = logging.getLogger("p2c_lib.sandbox")


def fault(call: Call) -> Refusal:
    """What a client is told of a fault of the sandbox itself, which is logged; in a batch it costs its part alone."""
    number = str(uuid.uuid4())
    _log.exception("Request %s %s failed (%s).", call.method, call.path, number)
    return Refusal(500, "0x80040216", f"An unexpected error occurred. ({number})")


def refuse_if_failing(path: str) -> None:
    """Refuse a call to a failing address; any other path passes."""
    if path.startswith(_PREFIX):
        status = int(path.removeprefix(_PREFIX))
        raise Refusal(status, "", MESSAGES[status], headers={"Retry-After": "1"} if status == 429 else {})
