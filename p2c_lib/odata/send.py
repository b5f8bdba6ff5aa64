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
from p2c_lib.errors import IncompleteRead, NotSent, Rejected, Throttled, Unreachable, Unsendable, UrlTooLong
from p2c_lib.odata.auth import Credential, TokenSource, token_source
from p2c_lib.odata.exchange import Reply, exchanged
from p2c_lib.odata.failures import failure, is_transient, may_have_begun, not_the_service, was_put_off
from p2c_lib.odata.links import own_link
from p2c_lib.odata.pace import Pace
from p2c_lib.odata.retry_after import retry_after
from p2c_lib.odata.statuses import fails_inside
from p2c_lib.odata.telling import tell_wait
from p2c_lib.odata.waits import NOBODY, Waits, answered, passes, throttled
from p2c_lib.odata.wire import Unwanted, Watch, watched_client
from p2c_lib.patience import Patience
from p2c_lib.secrecy import keep_secrets_of_proxies, keep_secrets_of_url, without_secrets_in
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
STORE_NAME = "The store of F&O's packages"
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

    Retries what ``statuses`` says may pass, resets and time-outs within ``patience``; a 401 renews the token once.
    Cookies are not kept, because the affinity cookie would pin every request to one server.
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
            _User(token_source(replace(c, patience=self.patience), transport, credential, clock), Pace(clock))
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
        with halting(self._closed.is_set):
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
        most: int | None = None,
        as_it_came: bool = False,
    ) -> Answer:
        """The answer to a request once the service has really answered; its status may still be an error.

        One that is not ``repeatable`` is only sent again when the service cannot have begun with it. Raises
        Unreachable, Throttled, NotAuthorised or IncompleteRead when there is none within the time budget, and once
        ``stop`` says so NotSent, or Unreachable where an earlier try may have been carried out. A web page in the
        place of a good answer is raised as NotTheService unless it is wanted ``as_it_came``, an answer of more than
        ``most`` bytes, or than the connection takes, as AnswerTooLarge.
        """
        if not url.startswith("/") or url.startswith("//"):  # what is no path of our own making came as a link
            url = own_link(url, self.connection.url, target or url)
        with halting(self._closed.is_set):
            answer = self._sent(method, url, headers or {}, body, target, repeatable=repeatable, stop=stop, most=most)
        other = not_the_service(answer.status, answer.headers, answer.body, target or url)
        if other is not None and answer.status < 300 and not as_it_came:
            raise other
        return answer

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
        most: int | None,
    ) -> Answer:
        waits = Waits(self.connection.app, self.patience, self._clock, target)
        resent = renewed = taken_up = False
        while True:
            user = self._user()
            token = user.tokens.current()
            try:
                outcome = self._attempt(user, token, method, url, headers, body, stop, waits.left, most)
            except NotSent as stopped:
                if not taken_up:
                    raise
                raise Unreachable("The answer never came, and it was asked to stop.", target=target) from stopped
            except Throttled as quiet:
                raise throttled(f"{self.connection.url}: {quiet.message}", target) from None
            again = method == "GET" and waits.attempt < READ_AGAIN and _failed_inside(outcome)
            if isinstance(outcome, Reply) and not again and not is_transient(outcome.status, outcome.content):
                begun = _may_have_begun(outcome)
                if outcome.status == 401 and not renewed and (repeatable or not begun):
                    renewed, resent, taken_up = True, resent or begun, taken_up or begun
                    user.tokens.renew(token)
                    continue
                return Answer(outcome.status, outcome.headers, outcome.content, resent)
            wait = self._wait(user, outcome, waits)
            if not repeatable and not _was_put_off(outcome):
                raise waits.error(outcome, wait, self.connection.url, target or url)
            waits.known = self._answered
            if not waits.has_room(outcome, wait):
                cause = outcome if isinstance(outcome, Exception) else None
                raise waits.error(outcome, wait, self.connection.url, target or url) from cause
            resent, taken_up = resent or _may_have_begun(outcome), taken_up or not _was_put_off(outcome)
            waits.rest(outcome, wait, stop)

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
        waits = Waits(STORE_NAME, replace(self.patience, tries=UPLOADS), self._clock, host, known=True)
        what = f"upload to {host}"
        with halting(self._closed.is_set):
            reply = answered(
                lambda: self._put(url, path, host), waits, f"{parts.scheme}://{host}", what, again=_store_passes
            )
        if reply.status >= 300:
            raise failure(reply.status, reply.headers, reply.content, what)

    def _put(self, url: str, path: Path, host: str) -> Reply:
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(path.stat().st_size)}
        most, watch = self.connection.largest_answer, self._watch(host, upload=True)
        self.requests += 1
        try:
            with path.open("rb") as content:
                return exchanged(
                    self._http, "PUT", url, watch=watch, most=most, target=host, content=content, headers=headers
                )
        except (httpx.LocalProtocolError, UnicodeError, httpx.InvalidURL) as error:
            raise _unwritten(error, f"upload to {host}") from None

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
        most: int | None,
    ) -> Reply | Exception:
        """One try: an answer, or the exception that kept it from coming."""
        sent = {**headers, "Authorization": f"Bearer {token}"}
        most = min(most or self.connection.largest_answer, self.connection.largest_answer)
        with user.pace.slot(stop, left):
            watch = self._watch(url, written=body is not None)
            self.requests += 1
            try:
                reply = exchanged(
                    self._http, method, url, watch=watch, most=most, target=_place(url), headers=sent, content=body
                )
                self.received += reply.size
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
        self._ahead = _ahead(reply.headers.get("date", ""), self._ahead)
        if not is_transient(reply.status, reply.content):
            user.pace.went_well(reply.headers.get("x-ms-dop-hint"))
        return reply

    def _wait(self, user: _User, outcome: Reply | Exception, waits: Waits) -> float:
        """The wait before the next try; others of the same user wait along where the service says 429."""
        if not isinstance(outcome, Reply):
            return waits.length()
        if outcome.status == 429:
            absent = 30.0 if self.connection.app == "finops" else self.patience.longest_wait
            wait = absent if retry_after(outcome.headers) is None else waits.length(outcome.headers)
            user.pace.slow_down(wait)
            return wait
        jitter = random.uniform(0.0, self.patience.first_wait)  # noqa: S311
        return waits.length(outcome.headers) + jitter


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


def _store_passes(outcome: Reply | Exception) -> bool:
    """Whether a package is put once more: an error inside the store passes too, and a whole put is never doubled."""
    return passes(outcome) or _failed_inside(outcome)


def _failed_inside(outcome: Reply | Exception) -> bool:
    """Whether the service failed on a request of its own account; a question may simply be put again."""
    return isinstance(outcome, Reply) and fails_inside(outcome.status)


def _may_have_begun(outcome: Reply | Exception) -> bool:
    """Whether the service may have carried out a request whose answer did not come."""
    if isinstance(outcome, Reply):
        return may_have_begun(outcome.status, outcome.headers, outcome.content)
    return not isinstance(outcome, NOBODY)


def _was_put_off(outcome: Reply | Exception) -> bool:
    """Whether a request that must not happen twice may be sent again."""
    if isinstance(outcome, Reply):
        return was_put_off(outcome.status, outcome.headers, outcome.content)
    return isinstance(outcome, NOBODY)
