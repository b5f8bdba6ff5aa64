"""A notice to a webhook: over the same way as all else, waited for as the services are, within the time of a notice."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from p2c_lib.errors import ServiceError
from p2c_lib.odata.exchange import Reply, exchanged
from p2c_lib.odata.waits import Waits, answered, passes
from p2c_lib.odata.wire import Watch, watched_client
from p2c_lib.patience import Patience
from p2c_lib.secrecy import keep_secret
from p2c_lib.waiting import WALL

__all__ = ["post"]

SECONDS = 15.0  # until an answer begins, and twice that until it is whole
LARGEST = 64 * 1024  # bytes of an answer that says that a notice was taken
TRIES, FIRST_WAIT = 3, 0.5


def post(url: str, body: Any, authority: str | None, seconds: float, whom: str) -> None:
    """Post JSON to an address, which is secret, within so many seconds; again where it may not have been taken.

    Rather twice than never: a notice names its run, and nobody misses one that does not come. Raises OSError, whose
    words do not hold the address.
    """
    parts = urlsplit(url)
    keep_secret(parts._replace(scheme="", netloc="").geturl())
    patience = Patience(budget=seconds, tries=TRIES, first_wait=FIRST_WAIT, slow_seconds=SECONDS)
    at, trust = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", ssl.create_default_context(cafile=authority)

    def once() -> Reply:
        watch = Watch(patience, SECONDS, whole=2 * SECONDS)
        return exchanged(http, "POST", url, watch=watch, most=LARGEST, target=at, json=body)

    try:
        with watched_client(timeout=SECONDS, verify=trust) as http:
            reply = answered(once, Waits(whom, patience, WALL), at, again=_perhaps_not_taken)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise OSError(f"no answer from {at} ({type(error).__name__})") from None
    except ServiceError as error:
        raise OSError(f"{error.message[:1].lower()}{error.message[1:]}") from error
    if not 200 <= reply.status < 300:
        raise OSError(f"the service answered {reply.status}")


def _perhaps_not_taken(outcome: Reply | Exception) -> bool:
    """Whether another try may bring a notice there; one more wait for somebody who keeps silent is too long."""
    if isinstance(outcome, httpx.TimeoutException) and not isinstance(outcome, httpx.ConnectTimeout):
        return False
    return passes(outcome)
