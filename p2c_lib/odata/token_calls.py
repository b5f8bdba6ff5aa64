"""Conversations with whoever gives tokens: bounded, waited for as the services are, and kept to their host."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from p2c_lib.config import LOOPBACK, Connection
from p2c_lib.odata.characters import plain_json
from p2c_lib.odata.exchange import Reply, exchanged
from p2c_lib.odata.failures import failure, not_the_service
from p2c_lib.odata.statuses import fails_inside
from p2c_lib.odata.telling import SYSTEMS
from p2c_lib.odata.token_answer import MOST_VALUES, is_passing
from p2c_lib.odata.unreached import unreached
from p2c_lib.odata.waits import Waits, answered, passes
from p2c_lib.odata.wire import Watch, watched_client
from p2c_lib.patience import Patience
from p2c_lib.waiting import Clock

__all__ = ["TOKEN_SECONDS", "TokenCalls"]

TOKEN_SECONDS = 60.0  # for the whole answer with a token; one that does not begin within half of it does not come
CONNECT_SECONDS = 10.0
LARGEST_TOKEN = 1024 * 1024  # bytes of an answer with one, which has a few thousand
FAILS_INSIDE = 4  # tries more
ACCEPTED = {"Accept": "application/json", "Accept-Encoding": "gzip"}


class TokenCalls:
    """Asks for the tokens of one connection, within its patience."""

    def __init__(self, connection: Connection, transport: httpx.BaseTransport | None, clock: Clock) -> None:
        self._connection, self._transport, self._clock = connection, transport, clock
        self._answered = False

    def ask(self, method: str, url: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Reply:
        """The answer to one request, which may still be a refusal; ``sent`` is what httpx takes.

        Raises Unreachable, Throttled, IncompleteRead, AnswerTooLarge or NotTheService where it is none.
        """
        waits = Waits(
            f"The token endpoint of {SYSTEMS[self._connection.app]}",
            self._connection.patience,
            self._clock,
            known=self._answered,
        )
        head, loopback = {**ACCEPTED, **(headers or {})}, urlsplit(url).hostname in LOOPBACK
        timeout = httpx.Timeout(TOKEN_SECONDS / 2, connect=CONNECT_SECONDS)
        with watched_client(transport=self._transport, timeout=timeout, trust_env=not loopback) as http:

            def once() -> Reply:
                watch = Watch(Patience(slow_seconds=TOKEN_SECONDS / 2), TOKEN_SECONDS / 2, whole=TOKEN_SECONDS)
                return exchanged(http, method, url, watch=watch, most=LARGEST_TOKEN, target=url, headers=head, **sent)

            try:
                reply = answered(once, waits, url, again=lambda outcome: _passes(outcome, waits))
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise unreached(error, url) from error
        if reply.status >= 500:
            raise failure(reply.status, reply.headers, reply.content, url)
        self._answered = True
        if other := not_the_service(reply.status, reply.headers, reply.content, url):
            raise other
        return reply


def _passes(outcome: Reply | Exception, waits: Waits) -> bool:
    """Whether a token is asked for once more, which does no harm: a few times where Entra itself fails.

    One who says nothing at all for so long says nothing the next time either. A refusal that passes by itself is the
    answer once there is no time left: it says why in its own words.
    """
    if isinstance(outcome, Reply) and fails_inside(outcome.status):
        return waits.attempt < FAILS_INSIDE
    if isinstance(outcome, Reply) and 400 <= outcome.status < 500 and _is_passing(outcome):
        return waits.has_room(outcome, waits.length(outcome.headers))
    return passes(outcome) and not isinstance(outcome, httpx.TimeoutException)


def _is_passing(reply: Reply) -> bool:
    try:
        return is_passing(plain_json(reply.content, most=MOST_VALUES))
    except ValueError:
        return False
