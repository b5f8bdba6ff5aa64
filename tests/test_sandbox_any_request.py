"""Whatever is asked of the sandbox is answered: no 5xx, no hang, no traceback; in-process and over sockets.

``P2C_FUZZ_CASES`` asks for more cases a system, ``P2C_FUZZ_SEED`` for others; a failure tells the case to try again.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from p2c_lib.sandbox import process
from p2c_lib.sandbox.collation import like
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.service import answer as sales_answer
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.holding import BYTES_A_STEP, STEPS, STRIDE
from p2c_lib.sandbox.meter import CALL, spent
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.seed import plant_company
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from p2c_lib.sandbox.wire import Call
from tests.any_request import Asking, any_request
from tests.any_words import SALES_ROWS
from tests.conftest import TOKEN

SEED = os.environ.get("P2C_FUZZ_SEED", "1")
CASES = int(os.environ.get("P2C_FUZZ_CASES", "1500"))
SYSTEMS = ("sales", "finops")
PATIENCE = 60  # seconds for one answer, many times what the slowest takes


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a company of its own, which these requests may change."""
    state = tmp_path_factory.mktemp("any") / "state"
    plant_company(state)
    return state


@pytest.fixture(scope="module")
def apps(planted: Path) -> Iterator[dict[str, ASGIApp]]:
    """Both systems over the company, without limits of their own."""
    with open_store(planted) as store:
        for name, keys in SALES_ROWS.items():
            one = entities("sales")[name]
            assert all(store.exists(one, {one.key[0]: key}) for key in keys), "requests are meant to find rows, too"
        organisation = Organisation(store, SalesSwitches(protection=False))
        yield {"sales": sales_app(organisation, Tokens(TOKEN)), "finops": finops_app(store, Tokens(TOKEN))}


async def answered(app: ASGIApp, asking: Asking) -> tuple[int, bytes]:
    """Status and body of one request, by ASGI."""
    path, _, query = asking.target.partition("?")
    named = {"host": "any.test", "authorization": f"Bearer {TOKEN}", **dict(asking.headers)}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": asking.method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": headers,
    }  # fmt: skip
    incoming: list[Message] = [{"type": "http.request", "body": asking.body, "more_body": False}]
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    return outgoing[0]["status"], b"".join(message.get("body", b"") for message in outgoing[1:])


JSON = (("content-type", "application/json"),)
# Dataverse's own answer to a text function in a filter of metadata.
NOT_OFFERED = 501
FAULT = re.compile(rb"\r\nHTTP/1\.1 5(?!01)")


def broken(status: int, body: bytes) -> bool:
    """Whether a client was told of a fault, in the answer or in a part of it."""
    return (status >= 500 and status != NOT_OFFERED) or FAULT.search(body) is not None


@pytest.mark.parametrize("system", SYSTEMS)
def test_any_request_is_answered(
    system: str, apps: dict[str, ASGIApp], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    told: Counter[int] = Counter()

    async def all_of_them() -> None:
        for number in range(CASES):
            asking = any_request(system, SEED, number)
            status, body = await asyncio.wait_for(answered(apps[system], asking), PATIENCE)
            assert not broken(status, body), f"any_request({system!r}, {SEED!r}, {number}): {body[:400]!r}"
            assert not caplog.records, f"any_request({system!r}, {SEED!r}, {number}): {caplog.text[-3000:]}"
            told[status] += 1

    with caplog.at_level(logging.WARNING), capsys.disabled():
        asyncio.run(all_of_them())
        print(f"\n{system}: seed {SEED}, {CASES} requests: {dict(sorted(told.items()))}")
    assert told[200] + told[201] + told[204] > CASES / 15, "requests are meant to be understood, too"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    """A sandbox in a process of its own, which these requests may change."""
    one = process.start(tmp_path_factory.mktemp("any-process"), limits=False)
    yield one
    process.stop(one)


def sent(connection: http.client.HTTPConnection, asking: Asking, token: str) -> tuple[int, bytes]:
    """Status and body of one request, over a socket."""
    connection.putrequest(asking.method, asking.target, skip_accept_encoding=True)
    for name, value in {"authorization": f"Bearer {token}", **dict(asking.headers)}.items():
        connection.putheader(name, value.encode("latin-1"))
    if asking.body or asking.method in {"POST", "PATCH", "PUT"}:
        connection.putheader("Content-Length", str(len(asking.body)))
    connection.endheaders(asking.body or None)
    answer = connection.getresponse()
    return answer.status, answer.read()


# What a client of HTTP itself makes other framing or another connection of: not for this test.
FRAMING = {"transfer-encoding", "expect"}


def over_a_socket(running: process.Running, system: str, asking: Asking) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    url = urlsplit(running.sales_url if system == "sales" else running.finops_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE)
    try:
        headers = tuple(pair for pair in asking.headers if pair[0] not in FRAMING)
        return sent(connection, Asking(asking.method, asking.target, headers, asking.body), running.token)
    finally:
        connection.close()


@pytest.mark.parametrize("system", SYSTEMS)
def test_any_request_is_answered_over_a_socket(system: str, running: process.Running) -> None:
    log = running.state / "server.log"
    for number in range(CASES // 10):
        asking = any_request(system, f"{SEED}-socket", number)
        if not asking.method.isascii():
            continue
        status, body = over_a_socket(running, system, asking)
        assert not broken(status, body), f"any_request({system!r}, '{SEED}-socket', {number}): {body[:400]!r}"
    said = log.read_text("utf-8", "replace")
    assert "Traceback" not in said, said[-3000:]


def test_whatever_a_path_and_a_header_hold_the_answer_is_one_of_http(running: process.Running) -> None:
    """Line ends in a key come back in the header that names the row; a path with line ends is a path."""
    named = b'{"name": "x"}'
    for key, status in (("a%0D%0AX:%20b", 400), ("%E4%B8%AD%0A", 204), ("%20a%20%7F", 204), ("a%00", 400)):
        asking = Asking("PATCH", f"/api/data/v9.2/accounts(accountnumber='{key}')", JSON, named)
        found, body = over_a_socket(running, "sales", asking)
        assert (found, body[:1]) == (status, b"{" if status == 400 else b""), (key, body)
    for system in SYSTEMS:
        status, body = over_a_socket(running, system, Asking("GET", "/nothing%0Aat%0Dall", (), b""))
        assert (status, body[:2]) == (404, b'{"'), body
    assert "Traceback" not in (running.state / "server.log").read_text("utf-8", "replace")


def test_a_profile_nested_without_end_is_refused(tmp_path: Path) -> None:
    one = process.start(tmp_path, admin=True)
    try:
        for body in (b"[" * 100_000, b'{"seed":' * 100_000, b"\xff", b"null"):
            assert over_a_socket(one, "sales", Asking("PUT", "/sandbox/faults", JSON, body))[0] == 400
    finally:
        process.stop(one)


# -- what was found, each with what it is answered ------------------------------------------------------------------

TOO_MANY = "Number of conditions in query exceeded maximum limit."


async def _asked(
    app: ASGIApp, target: str, method: str = "GET", body: bytes = b"", kind: str = ""
) -> tuple[int, bytes]:
    headers = (("content-type", kind),) if kind else ()
    return await answered(app, Asking(method, target, headers, body))


def ask(app: ASGIApp, target: str, method: str = "GET", body: bytes = b"", kind: str = "") -> tuple[int, str]:
    status, content = asyncio.run(_asked(app, target.replace(" ", "%20"), method, body, kind))
    return status, content.decode()


ACCOUNTS, CUSTOMERS = "/api/data/v9.2/accounts", "/data/CustomersV2"
FILTERED = {
    "sales": (f"{ACCOUNTS}?$count=true&$top=1&$filter=", "revenue gt 100000", "name eq 'a'"),
    "finops": (f"{CUSTOMERS}?$count=true&$top=1&$filter=", "CreditLimit gt 1000", "OrganizationName eq 'a'"),
}


def count(app: ASGIApp, target: str) -> int:
    status, text = ask(app, target)
    assert status == 200, text
    return int(json.loads(text)["@odata.count"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_chain_of_nots_is_answered_as_its_last_one_says(system: str, apps: dict[str, ASGIApp]) -> None:
    target, test, _ = FILTERED[system]
    yes, no = count(apps[system], target + test), count(apps[system], f"{target}not ({test})")
    assert yes
    assert no
    for much in (2, 17, 18, 19, 59):
        assert count(apps[system], target + "not " * much + test) == (no if much % 2 else yes), much
    status, text = ask(apps[system], target + "not " * 60 + test)
    assert (status, "Recursion depth exceeded allowed limit" in text) == (400, True)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    "nested",
    [
        lambda test, never, much: f"({never} or " * much + test + ")" * much,
        lambda test, never, much: f"({never} or ({test} and " * (much // 2) + test + "))" * (much // 2),
        lambda test, never, much: "(" * much + test + f" or {never})" * much,
        lambda test, never, much: f"not ({never} or not " * (much // 2) + f"({test})" + ")" * (much // 2),
    ],
)
def test_what_can_be_read_can_be_asked_of_the_database(
    system: str, nested: Callable[[str, str, int], str], apps: dict[str, ASGIApp]
) -> None:
    target, test, never = FILTERED[system]
    assert count(apps[system], target + nested(test, never, 38)) == count(apps[system], target + test)


def test_more_than_the_database_holds_is_refused_in_the_words_of_each_service(apps: dict[str, ASGIApp]) -> None:
    added = "1 add (" * 50 + "CreditLimit" + ")" * 50 + " eq 1"
    status, text = ask(apps["finops"], f"{CUSTOMERS}?$filter={added}")
    inner = json.loads(text)["error"]["innererror"]
    assert (status, inner["type"]) == (400, "Microsoft.OData.Core.ODataException")
    assert "An expression services limit has been reached" in inner["message"]
    sorted_by = ",".join(["name"] * 2500)
    status, text = ask(apps["sales"], f"{ACCOUNTS}?$select=name&$orderby={sorted_by}")
    assert (status, json.loads(text)["error"]["code"]) == (400, "0x80060888")
    assert "An expression services limit has been reached" in text


def test_a_part_of_a_batch_that_is_too_much_fails_alone(apps: dict[str, ASGIApp]) -> None:
    added = "1%20add%20(" * 50 + "CreditLimit" + ")" * 50 + "%20eq%201"
    part = "--b\r\nContent-Type: application/http\r\n\r\nGET {} HTTP/1.1\r\n\r\n\r\n"
    body = part.format(f"CustomersV2?$filter={added}") + part.format("CustomersV2?$top=1") + "--b--\r\n"
    status, text = ask(apps["finops"], "/data/$batch", "POST", body.encode(), "multipart/mixed; boundary=b")
    assert status == 200
    said = [line for line in text.splitlines() if line.startswith("HTTP/1.1")]
    assert said == ["HTTP/1.1 400 Bad Request", "HTTP/1.1 200 OK"]


@pytest.mark.parametrize(("much", "status"), [(500, 200), (501, 400)])
def test_a_query_of_sales_has_at_most_500_conditions(much: int, status: int, apps: dict[str, ASGIApp]) -> None:
    filtered = ask(apps["sales"], f"{ACCOUNTS}?$top=1&$filter={' or '.join(['revenue eq 1'] * much)}")
    conditions = '<condition attribute="revenue" operator="null"/>' * much
    xml = f'<fetch top="1"><entity name="account"><filter type="or">{conditions}</filter></entity></fetch>'
    part = f"GET accounts?fetchXml={xml.replace(' ', '+')} HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    batch = f"--b\r\nContent-Type: application/http\r\n\r\n{part}".encode()
    fetched = ask(apps["sales"], "/api/data/v9.2/$batch", "POST", batch, "multipart/mixed; boundary=b")
    assert (filtered[0], fetched[0]) == (status, status)
    for _, text in (filtered, fetched):
        assert (TOO_MANY in text and "0x8004430C" in text) == (status == 400)


def test_fetchxml_nested_without_end_is_refused(apps: dict[str, ASGIApp]) -> None:
    for much, status in ((57, 200), (1000, 400)):
        inner = "<filter>" * much + '<condition attribute="name" operator="null"/>' + "</filter>" * much
        xml = f'<fetch><entity name="account">{inner}</entity></fetch>'
        assert ask(apps["sales"], f"{ACCOUNTS}?fetchXml={xml}")[0] == status


def test_a_join_of_everything_with_everything_ends(apps: dict[str, ASGIApp]) -> None:
    link = '<link-entity name="account" from="statecode" to="statecode">'
    xml = f'<fetch><entity name="account"><order attribute="revenue"/>{link * 6}{"</link-entity>" * 6}</entity></fetch>'
    status, text = ask(apps["sales"], f"{ACCOUNTS}?fetchXml={xml}")
    assert (status, json.loads(text)["error"]) == (400, {"code": "0x80044151", "message": "SQL timeout expired."})
    assert ask(apps["sales"], f"{ACCOUNTS}?$top=1")[0] == 200


LIKE = '<condition attribute="name" operator="like" value="%25z%25q%25"/>'
EACH = '<link-entity name="account" from="statecode" to="statecode" link-type="outer"><order attribute="name"/>'
JOINED = "JOIN account {0} ON a.statecode = {0}.statecode"
COSTLY = (
    f"fetchXml=<fetch><entity name='account'>{EACH * 3}{'</link-entity>' * 3}</entity></fetch>",
    f"fetchXml=<fetch><entity name='account'>{(EACH + f'<filter>{LIKE}</filter>') * 3}{'</link-entity>' * 3}"
    f"<filter type='or'>{LIKE * 40}</filter></entity></fetch>",
    f"sql=SELECT a.name FROM account a {' '.join(map(JOINED.format, 'bcd'))} WHERE d.name LIKE '%25z%25'",
    "$filter=" + " or ".join(f"contains(name,'%25z{number}%25q%25')" for number in range(480)) + "&$orderby=name",
)


@pytest.mark.parametrize("query", COSTLY, ids=range(len(COSTLY)))
def test_what_a_read_costs_is_counted_with_its_calls(query: str, planted: Path) -> None:
    """A pattern or a key costs as much as many steps, and is counted as them: what is answered is within the limit."""
    with open_store(planted) as store:
        organisation = Organisation(store, SalesSwitches(protection=False))
        call = Call("GET", ACCOUNTS, query.replace(" ", "+"), {}, b"", "http://any.test")
        answer = sales_answer(organisation, call)
        assert answer.status == 200 or "SQL timeout expired." in answer.body.decode()
        most = STEPS + store.path.stat().st_size // BYTES_A_STEP
        assert 0 < spent() <= most + STRIDE * 4 * CALL


@pytest.mark.parametrize("text", ["contains(name,'" + "%a" * 40 + "b')", "startswith(name,'" + "a%" * 40 + "b')"])
def test_a_pattern_of_many_wildcards_is_matched_at_once(text: str, apps: dict[str, ASGIApp]) -> None:
    named = json.dumps({"name": "a" * 160}).encode()
    assert ask(apps["sales"], ACCOUNTS, "POST", named, "application/json")[0] == 204
    assert count(apps["sales"], f"{ACCOUNTS}?$count=true&$filter={text.replace('%', '%25')}") == 0


def test_a_change_set_without_operations_is_no_fault(apps: dict[str, ASGIApp]) -> None:
    for system, root in (("sales", "/api/data/v9.2/"), ("finops", "/data/")):
        body = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"
        assert ask(apps[system], f"{root}$batch", "POST", body, "multipart/mixed; boundary=b")[0] == 200


@pytest.mark.parametrize("token", ["MWU5OTk=", "bnVsbA==", "LTE=", "W1tbW1tb"])
def test_a_skip_token_that_is_no_number_is_refused(token: str, apps: dict[str, ASGIApp]) -> None:
    assert ask(apps["finops"], f"{CUSTOMERS}?$skiptoken={token}")[0] == 400


@settings(max_examples=400, deadline=None)
@given(st.text("ab", max_size=8), st.text("ab%%_", max_size=7))
def test_a_pattern_matches_as_sql_has_it(text: str, pattern: str) -> None:
    def matches(rest: str, left: str) -> bool:
        if not left:
            return not rest
        if left[0] == "%":
            return any(matches(rest[at:], left[1:]) for at in range(len(rest) + 1))
        return bool(rest) and left[0] in {"_", rest[0]} and matches(rest[1:], left[1:])

    assert like("sales")(text, pattern) == matches(text, pattern)
