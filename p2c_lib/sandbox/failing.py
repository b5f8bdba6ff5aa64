"""An address at which an operation of a batch fails as a fault profile wants it, with the service's own error body.

Nobody can guess it: it holds a number drawn when the process starts.
"""

from __future__ import annotations

import secrets

from p2c_lib.sandbox.wire import Refusal

_PREFIX = f"/sandbox/failing-{secrets.token_hex(8)}/"
MESSAGES = {
    429: "This request could not be processed at this time due to system experiencing high resource utilization.",
    500: "An unexpected error occurred.",
    503: "The service is unavailable.",
}


def failing_path(status: int) -> str:
    """The address whose operations are refused with this status."""
    return f"{_PREFIX}{status}"


def refuse_if_failing(path: str) -> None:
    """Refuse a call to a failing address; any other path passes."""
    if path.startswith(_PREFIX):
        status = int(path.removeprefix(_PREFIX))
        raise Refusal(status, "", MESSAGES[status], headers={"Retry-After": "1"} if status == 429 else {})
