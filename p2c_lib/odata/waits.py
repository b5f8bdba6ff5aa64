"""The waits between the tries of one request: bounded by a budget, never below floors that grow, told, and cut short.

The services, the token endpoints, the store of packages and webhooks are all waited for in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from p2c_lib.errors import IncompleteRead, ServiceError, Throttled, Unreachable
from p2c_lib.odata.exchange import Reply
from p2c_lib.odata.failures import failure, is_transient
from p2c_lib.odata.retry_after import retry_after
from p2c_lib.odata.telling import tell_wait
from p2c_lib.odata.unreached import is_final, unreached
from p2c_lib.odata.wire import Unwanted
from p2c_lib.patience import Patience
from p2c_lib.secrecy import masked, without_secrets_in
from p2c_lib.waiting import Clock, Stop, never, unwanted

__all__ = ["NOBODY", "Waits", "answered", "passes", "throttled"]

NOBODY = (httpx.ConnectError, httpx.ConnectTimeout)


class Waits:
    """The time and the tries that one request has. ``whom`` names in words, or as an app, who is waited for.

    ``known``: somebody has answered there before, so that it is worth while to wait for an address that is silent.
    """

    def __init__(self, whom: str, patience: Patience, clock: Clock, target: str = "", *, known: bool = False) -> None:
        self.attempt, self.known = 0, known
        self._whom, self._patience, self._clock, self._target = whom, patience, clock, target
        self._began = clock.now()

    @property
    def left(self) -> float:
        """The seconds of the budget that are left."""
        return self._patience.budget - (self._clock.now() - self._began)

    def length(self, headers: Mapping[str, str] | None = None) -> float:
        """The wait before the next try: what an answer asks for, and never less than waits that grow by themselves.

        Services ask for no wait at all, and for one that ended by their clock before it began here.
        """
        grown = self._patience.wait(self.attempt)
        asked = None if headers is None else retry_after(headers)
        return grown if asked is None else max(asked, grown)

    def has_room(self, outcome: Reply | Exception, wait: float) -> bool:
        """Whether waiting on has a point: within the budget, and where somebody has ever listened."""
        budget = self._patience.budget
        if isinstance(outcome, NOBODY):
            budget = min(budget, self._patience.wait_without_answer)
        if isinstance(outcome, Exception) and is_final(outcome):
            return False
        if not self.known and isinstance(outcome, (httpx.ConnectError, httpx.UnsupportedProtocol)) and self.attempt:
            return False
        return self._needed(wait) <= budget and not self._spent

    def rest(self, outcome: Reply | Exception, wait: float, stop: Stop = never) -> None:
        """Tell why nothing happens for a while, and wait; the try after it is the next."""
        self.attempt += 1
        tries = self._patience.tries
        tell_wait(self._whom, _why(outcome), wait, attempt=self.attempt + 1, of=tries, target=self._target)
        self._clock.rest(wait, stop)

    def error(self, outcome: Reply | Exception, wait: float, url: str, target: str) -> ServiceError:
        """The error for a request that is put no further time."""
        if isinstance(outcome, IncompleteRead):
            return outcome
        if isinstance(outcome, Exception):
            return unreached(outcome, url, target)
        if outcome.status != 429:
            return failure(outcome.status, outcome.headers, outcome.content, target)
        if self._spent:
            return throttled(f"{url} asked to wait {self._patience.tries} times (status 429).", target)
        if retry_after(outcome.headers) is None:
            said = f"still after the time budget ({self._patience.budget:,.0f} s), and names no time to wait"
            return throttled(f"{url} has too many requests {said} (status 429).", target)
        said = f"longer than the time budget ({self._needed(wait):,.0f} s)"
        return throttled(f"{url} asks to wait {said} (status 429).", target)

    @property
    def _spent(self) -> bool:
        """Whether the try that was made is the last."""
        return self.attempt + 1 >= self._patience.tries

    def _needed(self, wait: float) -> float:
        """The seconds that are gone when a wait is over."""
        return self._clock.now() - self._began + wait


def _why(outcome: Reply | Exception) -> str:
    if isinstance(outcome, Exception):
        return f"gave no answer ({_said(outcome)}); it is asked again"
    if outcome.status == 429 or retry_after(outcome.headers) is not None:
        return "asks to wait"
    return f"answered {outcome.status}; it is asked again"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {masked(str(error))[:200]}" if str(error) else type(error).__name__


def passes(outcome: Reply | Exception) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(outcome, Exception) or is_transient(outcome.status, outcome.content)


def answered(
    ask: Callable[[], Reply],
    waits: Waits,
    url: str,
    target: str = "",
    *,
    again: Callable[[Reply | Exception], bool] = passes,
) -> Reply:
    """The answer to a request that is put ``again`` where that may help; any other answer is given as it is.

    Raises Unreachable, Throttled, IncompleteRead and the like when there is none within the time and the tries.
    """
    while True:
        outcome = _tried(ask, url, target)
        worth = again(outcome)
        if isinstance(outcome, Reply) and not worth:
            return outcome
        wait = waits.length(outcome.headers if isinstance(outcome, Reply) else None)
        if not worth or not waits.has_room(outcome, wait):
            cause = outcome if isinstance(outcome, Exception) else None
            raise waits.error(outcome, wait, url, target or url) from cause
        waits.rest(outcome, wait)


def _tried(ask: Callable[[], Reply], url: str, target: str) -> Reply | Exception:
    """One try: an answer, or what kept it from coming and may pass."""
    try:
        if unwanted():
            raise Unwanted
        return ask()
    except Unwanted:
        raise Unreachable(f"{url} was not waited for: it was asked to stop.", target=target or url) from None
    except (httpx.LocalProtocolError, UnicodeError):
        raise
    except (httpx.TransportError, IncompleteRead, OSError) as error:
        without_secrets_in(error)
        return error


def throttled(message: str, target: str) -> Throttled:
    """The error for a service that asks to wait longer or more often than anybody waits."""
    hint = "Try again later, or with fewer programs under the same application user."
    return Throttled(message, status=429, target=target, hint=hint)
