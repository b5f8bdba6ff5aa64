"""One request to an answer: pool, token, gzip, waits and further tries; nothing foreign escapes."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from p2c_lib.config import LOOPBACK, Connection
from p2c_lib.errors import (
    IncompleteRead,
    NotSent,
    Rejected,
    ServiceError,
    Throttled,
    Unreachable,
    Unsendable,
    UrlTooLong,
)
from p2c_lib.odata.auth import Credential, TokenSource, token_source
from p2c_lib.odata.content import received
from p2c_lib.odata.failures import failure, is_transient, not_the_service
from p2c_lib.odata.links import own_link
from p2c_lib.odata.pace import Pace
from p2c_lib.odata.retry_after import retry_after
from p2c_lib.odata.telling import tell_wait
from p2c_lib.odata.unreached import is_final, unreached
from p2c_lib.odata.wire import Unwanted, Watch, watched, watched_client
from p2c_lib.patience import Patience
from p2c_lib.secrecy import keep_secrets_of_proxies, keep_secrets_of_url, masked, without_secrets_in
from p2c_lib.service_url import host_of
from p2c_lib.waiting import WALL, Clock, Stop, halting, never

__all__ = ["Answer", "Patience", "Sender"]

TIMEOUT = httpx.Timeout(120.0, connect=10.0)  # of what is not watched: a free connection, and sockets of other makes
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64)
DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
    "User-Agent": "p2c-workbench",
}
READ_AGAIN = 4
UPLOADS = 8
BELIEVED = timedelta(days=2)  # a date farther off is no clock's but somebody's mistake
LONGEST_URL = 65_536  # httpx takes no longer one


@dataclass(frozen=True)
class Answer:
    """What the service said: ``body`` is inflated; ``resent`` tells that an earlier try may have been carried out."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    resent: bool = False


@dataclass(frozen=True)
class _User:
    """One application user: whose token, and how much it may have in flight."""

    tokens: TokenSource
    pace: Pace


class Sender:
    """Sends requests to one connection from any thread.

    Retries 429, 502-504, resets and time-outs within ``patience``; a 401 renews the token once. Cookies are not kept,
    because the affinity cookie would pin every request to one server.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        users: tuple[Connection, ...] = (),
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
        credential: Credential | None = None,
        clock: Clock = WALL,
    ) -> None:
        keep_secrets_of_proxies()
        self.connection = connection
        self.patience = patience or connection.patience
        self._clock = clock
        self._closed = threading.Event()
        self._users = [
            _User(token_source(c, transport=transport, credential=credential), Pace(clock))
            for c in (connection, *users)
        ]
        self._next_user = 0
        self._turn = threading.Lock()
        self._answered = False
        self._ahead = timedelta(0)
        self.requests = self.received = 0  # bytes as they come over the wire, without headers
        loopback = urlsplit(connection.url).hostname in LOOPBACK
        self._http = watched_client(
            base_url=connection.url,
            transport=transport,
            headers=DEFAULT_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=TIMEOUT,
            limits=LIMITS,
            trust_env=not loopback,
        )

    def close(self) -> None:
        """Close every connection of the pool, and end what still waits."""
        self._closed.set()
        self._http.close()

    def sign_in(self) -> int:
        """Have a token for every application user, and say how many these are. Raises what getting one raises."""
        for user in self._users:
            user.tokens.current()
        return len(self._users)

    def now(self) -> float:
        """Seconds of the clock that waits go by."""
        return self._clock.now()

    def rest(self, seconds: float, stop: Stop = never) -> None:
        """Wait, but no longer than somebody wants it and this sender is open."""
        with halting(self._closed.is_set):
            self._clock.rest(seconds, stop)

    @property
    def parallel(self) -> int:
        """How many requests may be in flight now, over all application users."""
        return sum(user.pace.limit for user in self._users)

    @property
    def clock(self) -> datetime:
        """The time at the service, as far as its answers told."""
        return datetime.now(UTC) + self._ahead

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        target: str = "",
        repeatable: bool = True,
        stop: Stop = never,
    ) -> Answer:
        """The answer to a request once the service has really answered; its status may still be an error.

        One that is not ``repeatable`` is only sent again when the service cannot have begun with it. Raises
        Unreachable, Throttled, NotAuthorised or IncompleteRead when there is none within the time budget, and once
        ``stop`` says so NotSent, or Unreachable where an earlier try may have been carried out. A web page in the
        place of an answer is raised as NotTheService.
        """
        if not url.startswith("/") or url.startswith("//"):  # what is no path of our own making came as a link
            url = own_link(url, self.connection.url, target or url)
        with halting(self._closed.is_set):
            return self._sent(method, url, headers or {}, body, target, repeatable=repeatable, stop=stop)

    def _sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        target: str,
        *,
        repeatable: bool,
        stop: Stop,
    ) -> Answer:
        began, attempt, resent, renewed = self._clock.now(), 0, False, False
        while True:
            user = self._user()
            token = user.tokens.current()
            left = self.patience.budget - (self._clock.now() - began)
            try:
                outcome = self._attempt(user, token, method, url, headers, body, stop, left)
            except NotSent as stopped:
                if not resent:
                    raise
                raise Unreachable("The answer never came, and it was asked to stop.", target=target) from stopped
            except Throttled as quiet:
                raise _throttled(f"{self.connection.url}: {quiet.message}", target) from None
            again = method == "GET" and attempt < READ_AGAIN and _failed_inside(outcome)
            if isinstance(outcome, Answer) and not again and not is_transient(outcome.status, outcome.body):
                if outcome.status == 401 and not renewed:
                    renewed = True
                    user.tokens.renew(token)
                    continue
                return _of_the_service(replace(outcome, resent=resent), target or url)
            wait = self._wait(user, outcome, attempt)
            if not repeatable and _may_have_begun(outcome):
                raise _given_up(outcome, self.connection.url, target or url, 0.0)
            self._check_budget(outcome, self._clock.now() - began + wait, attempt, target or url)
            resent = resent or _may_have_begun(outcome)
            attempt += 1
            self._tell(outcome, wait, attempt, target)
            self._clock.rest(wait, stop)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        target: str = "",
    ) -> Answer:
        """Like ``send``, but an answer that is an error is raised as one."""
        answer = self.send(method, url, headers=headers, body=body, target=target)
        if answer.status >= 300:
            raise failure(answer.status, answer.headers, answer.body, target, length=len(url))
        return answer

    def upload(self, url: str, path: Path) -> None:
        """Put a file to a signed address, which needs no token and gets none; put again where that may help.

        Raises Unreachable or Rejected.
        """
        try:
            host = host_of(keep_secrets_of_url(url))
        except ValueError as error:
            raise Rejected(f"The address to upload to cannot be taken: {error}.", target="upload") from None
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise Rejected(f"The address to upload to is not https but {parts.scheme}.", target=host)
        for attempt in range(UPLOADS):
            try:
                self._put(url, path, host)
            except ServiceError as error:
                if attempt + 1 == UPLOADS or not (error.can_retry or error.status >= 500):
                    raise
                wait = self.patience.wait(attempt)
                tell_wait(
                    self.connection.app, "did not take the package", wait, attempt=attempt + 2, of=UPLOADS, target=host
                )
                self.rest(wait)
            else:
                return

    def _put(self, url: str, path: Path, host: str) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(path.stat().st_size)}
        at = f"{urlsplit(url).scheme}://{host}"
        self.requests += 1
        try:
            with (
                path.open("rb") as content,
                halting(self._closed.is_set),
                watched(self._watch(host, upload=True)),
                self._http.stream("PUT", url, content=content, headers=headers) as answer,
            ):
                said, _ = received(answer, self.connection.largest_answer, f"upload to {host}")
        except Unwanted:
            raise Unreachable(f"The upload to {host} was broken off: it was asked to stop.", target=host) from None
        except (httpx.LocalProtocolError, UnicodeError, httpx.InvalidURL) as error:
            raise _unwritten(error, f"upload to {host}") from None
        except (httpx.HTTPError, OSError) as error:
            raise unreached(error, at, host) from error
        if answer.status_code >= 300:
            raise failure(answer.status_code, answer.headers, said, f"upload to {host}")

    def _watch(self, target: str, *, written: bool = False, upload: bool = False) -> Watch:
        """The watch over one try. An upload may take as long as it moves."""
        mine, long = self.patience, written or upload

        def tell(waited: float, given: float) -> None:
            why = f"has not answered for {waited:,.0f} s; it is waited for"
            tell_wait(self.connection.app, why, given - waited, target=target)

        answer = mine.write_seconds if long else mine.answer_seconds
        whole = float("inf") if upload else mine.whole_seconds
        return Watch(mine, answer, self._clock, whole=whole, tell=tell)

    def _user(self) -> _User:
        """The application users take turns: service limits are counted for each of them."""
        if len(self._users) == 1:
            return self._users[0]
        with self._turn:
            self._next_user = (self._next_user + 1) % len(self._users)
            return self._users[self._next_user]

    def _attempt(
        self,
        user: _User,
        token: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        stop: Stop,
        left: float,
    ) -> Answer | Exception:
        """One try: an answer, or the exception that kept it from coming."""
        sent = {**headers, "Authorization": f"Bearer {token}"}
        with user.pace.slot(stop, left), watched(self._watch(url, written=body is not None)):
            self.requests += 1
            try:
                with self._http.stream(method, url, headers=sent, content=body) as response:
                    content, size = received(response, self.connection.largest_answer, _place(url))
                self.received += size
            except (httpx.LocalProtocolError, UnicodeError) as error:
                raise _unwritten(error, _place(url)) from None
            except (httpx.TransportError, IncompleteRead) as error:
                without_secrets_in(error)
                return error
            except Unwanted:
                raise Unreachable("The answer was not waited for: it was asked to stop.", target=url) from None
            except (httpx.InvalidURL, httpx.HTTPError, OSError) as error:
                if isinstance(error, httpx.InvalidURL) and len(url) > LONGEST_URL:
                    raise _too_long(url) from error
                raise Unreachable(f"{self.connection.url} cannot be asked: {error}", target=_place(url)) from error
        self._answered = True
        self._ahead = _ahead(response.headers.get("date", ""), self._ahead)
        if not is_transient(response.status_code, content):
            user.pace.went_well(response.headers.get("x-ms-dop-hint"))
        return Answer(response.status_code, response.headers, content)

    def _wait(self, user: _User, outcome: Answer | Exception, attempt: int) -> float:
        """The wait before the next try: what the service asks for, and never less than waits that grow by themselves.

        Services ask for no wait at all, and for one that ended by their clock before it began here.
        """
        grown = self.patience.wait(attempt)
        if not isinstance(outcome, Answer):
            return grown
        asked = retry_after(outcome.headers)
        if outcome.status == 429:
            absent = 30.0 if self.connection.app == "finops" else self.patience.longest_wait
            wait = absent if asked is None else max(asked, grown)
            user.pace.slow_down(wait)
            return wait
        jitter = random.uniform(0.0, min(grown, self.patience.first_wait))  # noqa: S311
        return grown if asked is None else max(asked + jitter, grown)

    def _tell(self, outcome: Answer | Exception, wait: float, attempt: int, target: str) -> None:
        """Tell whoever follows why nothing happens for a while."""
        if not isinstance(outcome, Answer):
            why = f"gave no answer ({_said(outcome)}); it is asked again"
        elif retry_after(outcome.headers) is not None or outcome.status == 429:
            why = "asks to wait"
        else:
            why = f"answered {outcome.status}; it is asked again"
        tell_wait(self.connection.app, why, wait, attempt=attempt + 1, of=self.patience.tries, target=target)

    def _check_budget(self, outcome: Answer | Exception, needed: float, attempt: int, target: str) -> None:
        """Raise when waiting on has no point: the budget is spent, or nobody has ever listened there."""
        never = not self._answered and isinstance(outcome, (httpx.ConnectError, httpx.UnsupportedProtocol))
        budget = self.patience.budget
        if isinstance(outcome, (httpx.ConnectError, httpx.ConnectTimeout)):
            budget = min(budget, self.patience.wait_without_answer)
        spent = attempt + 1 >= self.patience.tries
        final = isinstance(outcome, Exception) and is_final(outcome)
        if needed <= budget and not spent and not final and not (never and attempt >= 1):
            return
        if spent and isinstance(outcome, Answer) and outcome.status == 429:
            raise _throttled(f"{self.connection.url} asked to wait {self.patience.tries} times.", target)
        raise _given_up(outcome, self.connection.url, target, needed) from (
            outcome if isinstance(outcome, Exception) else None
        )


def _of_the_service(answer: Answer, target: str) -> Answer:
    """The answer itself. Raises NotTheService for a web page that calls itself a good answer: nothing was done."""
    if answer.status < 300 and (other := not_the_service(answer.status, answer.headers, answer.body, target)):
        raise other
    return answer


def _place(url: str) -> str:
    """What is asked, for messages: the path of an address."""
    return url[:LONGEST_URL].partition("?")[0][:200]


def _unwritten(error: Exception, target: str) -> Unsendable:
    """The error for a request that HTTP has no form for; it repeats none of it, since a token is among it."""
    return Unsendable(
        f"{target}: no request can be written of this ({type(error).__name__}).",
        target=target,
        hint="A key, a version or a token holds line ends or letters that no header or address can carry.",
    )


def _too_long(url: str) -> UrlTooLong:
    place = _place(url)
    return UrlTooLong(
        f"{place}: the address has {len(url):,} characters; no request carries more than {LONGEST_URL:,}.",
        target=place,
        hint="Ask for fewer columns, or for fewer values at once.",
    )


def _ahead(told: str, known: timedelta) -> timedelta:
    """How much the service's clock is ahead of this one by the date of an answer; as known where it tells none."""
    try:
        ahead = parsedate_to_datetime(told).astimezone(UTC) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return known
    return ahead if abs(ahead) < BELIEVED else known


def _failed_inside(outcome: Answer | Exception) -> bool:
    """Whether the service failed on a request of its own account; a question may simply be put again."""
    return isinstance(outcome, Answer) and outcome.status == 500


def _may_have_begun(outcome: Answer | Exception) -> bool:
    """Whether the service may have carried out a request whose answer did not come."""
    if isinstance(outcome, Answer):
        return outcome.status in {408, 500, 502, 504}
    return not isinstance(outcome, (httpx.ConnectError, httpx.ConnectTimeout))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {masked(str(error))[:200]}" if str(error) else type(error).__name__


def _given_up(outcome: Answer | Exception, url: str, target: str, needed: float) -> ServiceError:
    if isinstance(outcome, IncompleteRead):
        return outcome
    if isinstance(outcome, Exception):
        return unreached(outcome, url, target)
    if outcome.status == 429:
        return _throttled(f"{url} asks to wait longer than the time budget ({needed:,.0f} s).", target)
    return failure(outcome.status, outcome.headers, outcome.body, target)


def _throttled(message: str, target: str) -> Throttled:
    hint = "Try again later, or with fewer programs under the same application user."
    return Throttled(message, status=429, target=target, hint=hint)
