"""Trouble on purpose: what a profile does to requests, over real sockets, the same for the same seed."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
import uvicorn

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox import process
from p2c_lib.sandbox.faults import PROFILES, Faults, profile
from p2c_lib.sandbox.faulty_app import Box, FaultyApp
from p2c_lib.sandbox.finops.refusals import error_answer
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app

TOKEN = "the-token"


@contextmanager
def served(store: Store, faults: Faults, *, admin: bool = False) -> Iterator[tuple[httpx.Client, Box, Tokens]]:
    """The F&O side with a profile around it, on a socket of its own."""
    tokens, box = Tokens(TOKEN), Box(faults)
    app = FaultyApp(finops_app(store, tokens), box, error_answer, TOKEN, admin=admin)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/data/", headers=headers, trust_env=False) as client:
            yield client, box, tokens
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def company(store: Store) -> Store:
    with store.write():
        add_references(store, currencies=())
    return store


def outcome(client: httpx.Client) -> str:
    try:
        answer = client.get("Currencies")
    except httpx.RemoteProtocolError as error:
        return "truncated" if "incomplete" in str(error) or "without sending complete" in str(error) else "reset"
    except httpx.ReadError:
        return "reset"
    return str(answer.status_code)


def test_each_fault_is_what_it_says(company: Store):
    seen = {}
    for name in ("throttled", "unavailable", "failed", "reset", "truncated"):
        with served(company, Faults(**{name: 1.0})) as (client, box, _):
            seen[name] = outcome(client)
            assert box.done == {name: 1}
    assert seen == {
        "throttled": "429",
        "unavailable": "503",
        "failed": "500",
        "reset": "reset",
        "truncated": "truncated",
    }


def test_a_429_says_how_long_to_wait_and_a_503_is_a_gateway_page(company: Store):
    with served(company, Faults(throttled=1.0, retry_after=7)) as (client, _, _):
        answer = client.get("Currencies")
        assert answer.headers["retry-after"] == "7"
        assert "high resource utilization" in answer.json()["error"]["innererror"]["message"]
    with served(company, Faults(unavailable=1.0, retry_after=0)) as (client, _, _):
        answer = client.get("Currencies")
        assert "retry-after" not in answer.headers
        assert answer.text.startswith("<html>")


def test_the_same_seed_repeats_the_same_faults(company: Store):
    mixed = Faults(seed=3, throttled=0.2, unavailable=0.2, failed=0.2)
    runs = []
    for _ in range(2):
        with served(company, mixed) as (client, _, _):
            runs.append([client.get("Currencies").status_code for _ in range(60)])
    assert runs[0] == runs[1]
    assert set(Counter(runs[0])) == {200, 429, 503, 500}
    with served(company, Faults(seed=4, throttled=0.2, unavailable=0.2, failed=0.2)) as (client, _, _):
        assert [client.get("Currencies").status_code for _ in range(60)] != runs[0]


def test_a_dropped_write_may_have_been_done(company: Store):
    done = 0
    with served(company, Faults(seed=5, reset=1.0)) as (client, _, _):
        for number in range(12):
            with pytest.raises(httpx.TransportError):
                client.post("CustomerGroups", json={"CustomerGroupId": f"G{number}"})
    with served(company, Faults()) as (client, _, _):
        done = len([g for g in client.get("CustomerGroups").json()["value"] if g["CustomerGroupId"].startswith("G")])
    assert 0 < done < 12


def test_slow_requests_wait(company: Store):
    with served(company, Faults(slow=1.0, slow_seconds=0.3)) as (client, box, _):
        began = time.perf_counter()
        assert client.get("Currencies").status_code == 200
        assert time.perf_counter() - began >= 0.3
        assert box.done == {"slow": 1}


def test_tokens_are_refused_some_time_after_their_first_use(company: Store):
    with served(company, Faults(token_seconds=0.2)) as (client, _, tokens):
        headers = {"Authorization": f"Bearer {tokens.issue()}"}
        assert client.get("Currencies", headers=headers).status_code == 200
        time.sleep(0.3)
        assert client.get("Currencies", headers=headers).status_code == 401
        fresh = {"Authorization": f"Bearer {tokens.issue()}"}
        assert client.get("Currencies", headers=fresh).status_code == 200
        assert client.get("Currencies").status_code == 200


def test_some_operations_of_a_batch_fail_and_the_others_are_done(company: Store):
    operations = [
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "POST /data/CustomerGroups HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
        f'{{"CustomerGroupId":"H{number}"}}\r\n'
        for number in range(40)
    ]
    body = "".join(operations) + "--b--\r\n"
    with served(company, Faults(parts=0.3)) as (client, box, _):
        answer = client.post("$batch", content=body, headers={"Content-Type": "multipart/mixed; boundary=b"})
        box.use(Faults())
        made = [g for g in client.get("CustomerGroups").json()["value"] if g["CustomerGroupId"].startswith("H")]
    found = [int(line.split()[1]) for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
    assert answer.status_code == 200
    assert len(found) == 40
    assert len(made) == found.count(201)
    assert set(found) == {201, 429, 500, 503}


def test_delta_tokens_expire(company: Store):
    with served(company, Faults(deltas=1.0)) as (client, _, _):
        assert client.get("Currencies?$deltatoken=1").status_code == 410
        assert client.get("Currencies").status_code == 200


def test_the_admin_route_is_off_unless_asked_for_and_wants_the_token(company: Store):
    with served(company, Faults()) as (client, _, _):
        assert client.get(client.base_url.join("/sandbox/faults")).status_code == 404
    with served(company, Faults(failed=1.0), admin=True) as (client, _, tokens):
        assert client.get("Currencies").status_code == 500
        told = client.get(client.base_url.join("/sandbox/faults")).json()
        assert told["done"] == {"failed": 1}
        assert told["faults"]["failed"] == 1.0
        assert client.put(client.base_url.join("/sandbox/faults"), json="none").json()["faults"]["failed"] == 0.0
        assert client.get("Currencies").status_code == 200
        assert client.put(client.base_url.join("/sandbox/faults"), json={"throttled": 1}).status_code == 200
        assert client.get("Currencies").status_code == 429
        for wrong in ({"throtled": 1}, {"failed": 2}, {"failed": "1"}, "nonsense", 5):
            assert client.put(client.base_url.join("/sandbox/faults"), json=wrong).status_code == 400
        other = {"Authorization": f"Bearer {tokens.issue()}"}
        assert client.put(client.base_url.join("/sandbox/faults"), json="none", headers=other).status_code == 401


def test_a_profile_comes_from_its_name_or_from_a_file(tmp_path: Path):
    assert profile("busy") is PROFILES["busy"]
    (tmp_path / "mine.yml").write_text("seed: 9\nthrottled: 0.25\n", "utf-8")
    assert profile(tmp_path / "mine.yml") == Faults(seed=9, throttled=0.25)
    with pytest.raises(UnknownName, match="Did you mean 'flaky'"):
        profile("flakey")
    for text, said in (
        ("throtled: 1", "Did you mean 'throttled'"),
        ("throttled: 2", "from 0 to 1"),
        ("throttled: 0.6\nfailed: 0.6", "add up to 1.2"),
        ("throttled: yes", "takes a number"),
        ("slow_seconds: -1", "from 0 to 3600"),
        ("- a", "no list of faults"),
        ("a: [", "is not YAML"),
    ):
        (tmp_path / "mine.yml").write_text(text, "utf-8")
        with pytest.raises((SandboxError, UnknownName), match=said):
            profile(tmp_path / "mine.yml")


def test_a_served_sandbox_takes_profile_admin_and_switches(tmp_path: Path):
    (tmp_path / "switches.json").write_text('{"finops": {"page_size": 5, "next_link": "skiptoken"}}', "utf-8")
    running = process.start(tmp_path, faults=_file(tmp_path, "token_seconds: 0.2\nseed: 7\n"), admin=True)
    try:
        headers = {"Authorization": f"Bearer {running.token}"}
        with httpx.Client(headers=headers, trust_env=False) as client:
            for url in (running.sales_url, running.finops_url):
                assert client.get(f"{url}/sandbox/faults").json()["faults"]["token_seconds"] == 0.2
            page = client.get(f"{running.finops_url}/data/Currencies").json()
            assert len(page["value"]) == 5
            assert "$skiptoken=" in page["@odata.nextLink"]
            form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": running.token}
            for url, read in ((running.sales_url, "api/data/v9.2/WhoAmI"), (running.finops_url, "data/Currencies")):
                issued = client.post(f"{url}/t/oauth2/v2.0/token", data=form).json()["access_token"]
                token = {"Authorization": f"Bearer {issued}"}
                assert client.get(f"{url}/{read}", headers=token).status_code == 200
                time.sleep(0.3)
                late = client.get(f"{url}/{read}", headers=token)
                assert late.status_code == 401
                assert "error" in late.json()
    finally:
        process.stop(running)


def test_a_live_sandbox_is_found_whatever_goes_wrong_in_it(tmp_path: Path):
    running = process.start(tmp_path, faults=_file(tmp_path, "reset: 0.5\nfailed: 0.5\ntoken_seconds: 0.01\n"))
    try:
        assert [process.find(tmp_path) for _ in range(20)] == [running] * 20
        alive = f"{running.finops_url}/sandbox/alive"
        assert httpx.get(alive, headers={"Authorization": "Bearer of another"}, trust_env=False).status_code == 401
    finally:
        process.stop(running)
    assert process.find(tmp_path) is None


def test_a_served_sandbox_refuses_a_profile_or_switch_that_is_none(tmp_path: Path):
    with pytest.raises(SandboxError, match="Unknown fault profile 'flakey'"):
        process.start(tmp_path, faults="flakey")
    (tmp_path / "switches.json").write_text('{"finops": {"pages": 5}}', "utf-8")
    with pytest.raises(SandboxError, match="Unknown switch 'pages'"):
        process.start(tmp_path)


def test_operations_of_a_sales_batch_fail_too(tmp_path: Path):
    running = process.start(tmp_path, faults=_file(tmp_path, "parts: 0.4\nseed: 2\n"))
    parts = [
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "POST /api/data/v9.2/accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
        f'{{"name":"Part {number}"}}\r\n'
        for number in range(30)
    ]
    try:
        headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "multipart/mixed; boundary=b"}
        headers["Prefer"] = "odata.continue-on-error"
        with httpx.Client(headers=headers, trust_env=False) as client:
            body = "".join(parts) + "--b--\r\n"
            answer = client.post(f"{running.sales_url}/api/data/v9.2/$batch", content=body)
            count = client.get(
                f"{running.sales_url}/api/data/v9.2/accounts?$filter=startswith(name,'Part ')&$count=true"
            )
    finally:
        process.stop(running)
    found = [int(line.split()[1]) for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
    assert len(found) == 30
    assert set(found) - {201, 204} == {429, 500, 503}
    assert count.json()["@odata.count"] == sum(status < 300 for status in found)


def _file(folder: Path, text: str) -> Path:
    (folder / "profile.yml").write_text(text, "utf-8")
    return folder / "profile.yml"


@pytest.mark.parametrize(
    ("told", "pattern"),
    [
        (0, None),
        (7, "7"),
        ("0", "0"),
        ("-5", "-5"),
        ("soon", "soon"),
        ("date:-5", r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"),
        ("date:99999999", r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"),
    ],
)
def test_a_wait_is_asked_for_in_odd_ways_too(company: Store, told: float | str, pattern: str | None):
    with served(company, Faults(throttled=1.0, retry_after=told)) as (client, _, _):
        answer = client.get("Currencies")
    found = answer.headers.get("Retry-After")
    assert found is None if pattern is None else re.fullmatch(pattern, found)
    if isinstance(told, str) and told.startswith("date:"):
        ahead = (parsedate_to_datetime(found) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
        assert abs(ahead - float(told[5:])) < 3


@pytest.mark.parametrize("told", ["", "a\nb", "date:", "date:soon", "date:1e300", "x" * 200, "é", -1, 3601])
def test_a_wait_that_no_header_holds_is_refused(told: float | str):
    with pytest.raises(SandboxError):
        Faults(retry_after=told)


def test_an_answer_trickles_and_comes_whole_to_who_waits(company: Store):
    with served(company, Faults(trickled=1.0, trickle_seconds=0.0001)) as (client, box, _):
        whole = client.get("Currencies", params={"$top": "1"}).json()
        assert box.done == {"trickled": 1}
    assert len(whole["value"]) == 1
    slowly = Faults(trickled=1.0, trickle_seconds=3600)
    with served(company, slowly) as (client, _, _), client.stream("GET", "Currencies") as answer:
        assert next(answer.iter_raw()) == b"{"  # and whoever leaves, leaves nobody who goes on sending


def test_tokens_are_refused_by_their_own_share_alone(company: Store):
    with served(company, Faults(tokens=1.0, retry_after="date:-5")) as (client, box, _):
        answer = client.post("http://" + client.base_url.netloc.decode() + "/t/oauth2/v2.0/token", data={"scope": "x"})
        assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
        assert outcome(client) == "200"
        assert box.done == {"tokens": 1}
