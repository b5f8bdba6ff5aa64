"""Whatever stands between, a read comes to the right rows or ends in words, a write tells what became of it.

Over real sockets: no run without end, no token at another host, and the next one is clean. ``make troubles`` tries the
same with whole runs (``benchmarks/faults.py --troubles``).
"""

import os
import signal
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from p2c_lib.cli import main
from p2c_lib.config import Workspace, workspace
from p2c_lib.errors import P2CError
from p2c_lib.frames import EntityQuery
from p2c_lib.sandbox import process
from p2c_lib.session import Session, connect
from tests.troubled import Between, Exchange, Trouble, between
from tests.troubles import PAGE_SIZE, PATIENT, QUICK, READS, TOKENS, WRITES, Case

SECRET = "between-secret-0042"
HANGS = 60  # seconds; a thread that has not come to an end by then never will
ALL = os.environ.get("P2C_TROUBLES") == "all"  # else each trouble meets one of the systems, in turn
UNITS = EntityQuery("sales", "uoms", ("name",), ("name",))
CURRENCIES = EntityQuery("finops", "Currencies", ("CurrencyCode", "Name"), ("CurrencyCode",))
ACCOUNTS = EntityQuery(
    "sales", "accounts", ("accountnumber", "name"), ("accountnumber",), "startswith(accountnumber,'TRB')"
)
GROUPS = EntityQuery("finops", "CustomerGroups", ("CustomerGroupId", "Description"), ("CustomerGroupId",))
App = Literal["sales", "finops"]
Read = dict[App, list[Any]]
APPS: tuple[App, ...] = ("sales", "finops")
SMALL: dict[App, EntityQuery] = {"sales": UNITS, "finops": CURRENCIES}


@pytest.fixture(scope="module")
def place(sandbox: process.Running) -> Iterator[Between]:
    with between(sandbox, SECRET) as one:
        one.page_size = PAGE_SIZE
        yield one


@pytest.fixture(scope="module")
def here(place: Between, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = place.workspace(tmp_path_factory.mktemp("troubles"), QUICK, "largest_answer_mb = 8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2C_BETWEEN", SECRET)
        patch.setenv("P2C_WORKSPACE", str(root))
        yield workspace(root)


@pytest.fixture(scope="module")
def patient(here: Workspace, place: Between, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that waits as long as it takes, for what is to come right."""
    return workspace(place.workspace(tmp_path_factory.mktemp("patient"), PATIENT, "largest_answer_mb = 8"))


@pytest.fixture(scope="module")
def right(patient: Workspace) -> Read:
    """The rows as they are without trouble."""
    return {app: read(patient, app) for app in APPS}


def read(here: Workspace, app: App) -> list[Any]:
    """Rows of a system, over several pages; metadata come anew."""
    with connect("between", workspace=here) as session:
        return rows_of(session, SMALL[app])


def met(cases: Sequence[Case], every: int = 1) -> list[Any]:
    """Each trouble with the system it meets; of many alike every so many."""
    pairs = [(app, case) for n, case in enumerate(cases) for app in (APPS if ALL else (APPS[n % 2],))]
    return [pytest.param(app, case, id=f"{app}-{case.name}") for app, case in pairs[:: 1 if ALL else every]]


def rows_of(session: Session, query: EntityQuery) -> list[Any]:
    frame = session.extract(query)
    return sorted(frame.table.select(list(query.columns)).to_pylist(), key=str)


class Hung(BaseException):
    """It did not come to an end."""


@contextmanager
def ends() -> Iterator[None]:
    """What is within comes to an end. Raises Hung, with the threads still there for the reader of the failure."""

    def hung(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def rows(one: Exchange) -> bool:
    return one.is_rows


def metadata(one: Exchange) -> bool:
    return one.method == "GET" and not one.is_rows and not one.is_token and bool(one.token)


def tokens(one: Exchange) -> bool:
    return one.is_token


def writes(one: Exchange) -> bool:
    return one.method != "GET" and not one.is_token


def outcome(here: Workspace, place: Between, app: App, trouble: Trouble) -> list[Any] | P2CError:
    """What a read comes to under trouble; nothing foreign, and no token elsewhere."""
    place.trouble = trouble
    for file in here.metadata.glob("*"):
        file.unlink()
    try:
        with ends():
            return read(here, app)
    except P2CError as error:
        return error
    finally:
        place.trouble = None
        assert [one for one in place.strays if one.token or SECRET.encode() in one.body] == []


def holds(found: list[Any] | P2CError, case: Case, right: list[Any]) -> None:
    if isinstance(found, P2CError):
        assert found.message.strip()
        assert case.comes != "goes on", found
    else:
        assert case.comes != "ends", "nothing was told"
        assert found == right


@pytest.mark.parametrize(("app", "case"), met(READS))
def test_rows_come_right_or_not_at_all(
    here: Workspace, patient: Workspace, place: Between, right: Read, app: App, case: Case
) -> None:
    met_in = patient if case.comes == "goes on" else here
    holds(outcome(met_in, place, app, case.trouble(place, rows)), case, right[app])
    assert read(patient, app) == right[app]


@pytest.mark.parametrize(("app", "case"), met(READS, every=3))
def test_metadata_come_right_or_end_in_words(
    here: Workspace, patient: Workspace, place: Between, right: Read, app: App, case: Case
) -> None:
    found = outcome(patient if case.comes == "goes on" else here, place, app, case.trouble(place, metadata))
    assert isinstance(found, P2CError) or found == right[app]
    if case.comes == "goes on":
        assert found == right[app]


@pytest.mark.parametrize(("app", "case"), met(TOKENS))
def test_a_token_that_is_none_ends_in_words_that_name_the_endpoint(
    here: Workspace, patient: Workspace, place: Between, right: Read, app: App, case: Case
) -> None:
    found = outcome(patient if case.comes == "goes on" else here, place, app, case.trouble(place, tokens))
    holds(found, case, right[app])
    if isinstance(found, P2CError):
        assert (place.sales_url if app == "sales" else place.finops_url) in str(found), found
    assert read(patient, app) == right[app]


ROWS = {
    "sales": pa.table({"accountnumber": [f"TRB-{n}" for n in range(4)], "name": [f"Trouble {n}" for n in range(4)]}),
    "finops": pa.table(
        {
            "dataAreaId": ["usmf"] * 4,
            "CustomerGroupId": [f"TRB{n}" for n in range(4)],
            "Description": [f"Trouble {n}" for n in range(4)],
        }
    ),
}
SETS = {"sales": ACCOUNTS, "finops": GROUPS}


def there(session: Session, app: App) -> list[Any]:
    query = SETS[app]
    return [row for row in rows_of(session, query) if str(row[query.key[0]]).startswith("TRB")]


def removed(here: Workspace, app: App) -> None:
    with connect("between", workspace=here) as session:
        query, keys = SETS[app], [name for name in ROWS[app].column_names if name not in {"name", "Description"}]
        found = {row[query.key[0]] for row in there(session, app)}
        mask = pa.array([key in found for key in ROWS[app][query.key[0]].to_pylist()])
        gone = session.client(app).write_table("delete", query.entity, ROWS[app].filter(mask).select(keys), key=keys)
        assert all(one.ok for one in gone), [str(one.error) for one in gone]


@pytest.mark.parametrize(("app", "case"), met(WRITES))
def test_a_write_is_told_as_what_it_is(
    here: Workspace, patient: Workspace, place: Between, app: App, case: Case
) -> None:
    query, table = SETS[app], ROWS[app]
    with connect("between", workspace=patient) as session:
        assert there(session, app) == []
    with connect("between", workspace=patient if case.comes == "goes on" else here) as session:
        client = session.client(app)
        client.schema(query.entity)
        place.trouble = case.trouble(place, writes)
        try:
            with ends():
                results = client.write_table("create", query.entity, table)
        finally:
            place.trouble = None
    with connect("between", workspace=patient) as session:
        found = {row[query.key[0]]: row[query.columns[1]] for row in there(session, app)}
    try:
        wanted = dict(zip(table[query.key[0]].to_pylist(), table[query.columns[1]].to_pylist(), strict=True))
        assert found.items() <= wanted.items()
        for key, result in zip(wanted, results, strict=True):
            told = f"{key}: {result}"
            assert result.error is None or isinstance(result.error, P2CError)
            if result.ok:
                assert key in found, told
            elif key in found:  # it was done, and nobody could tell
                assert result.error is not None
                assert result.error.can_retry, told
        if case.comes == "goes on":
            assert all(one.ok for one in results), [str(one.error) for one in results]
        if case.comes == "ends":
            assert not any(one.ok for one in results)
        assert [one for one in place.strays if one.token] == []
    finally:
        removed(patient, app)


# the command line: words and exit code 2


@pytest.mark.parametrize(
    "case", [case for case in READS if case.name in {"null", "401, ever", "Retry-After of an hour", "a bomb", "407"}]
)
def test_a_command_ends_in_words_and_with_exit_code_2(
    here: Workspace, place: Between, case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["p2c", "reconcile", "accounts", "--set", "between"])
    place.trouble = case.trouble(place, rows)
    before = sys.stdout, sys.stderr, sys.excepthook, threading.excepthook
    try:
        with ends(), pytest.raises(SystemExit) as ended:
            main()
    finally:
        place.trouble = None
        sys.stdout, sys.stderr, sys.excepthook, threading.excepthook = before
    told = capsys.readouterr().err
    assert ended.value.code == 2, told
    assert "error: " in told
    assert "Traceback" not in told


def test_plain_http_where_tls_should_be_is_told(
    here: Workspace, place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    text = (
        (here.root / "p2c.toml").read_text("utf-8").replace(place.sales_url, place.sales_url.replace("http:", "https:"))
    )
    (tmp_path / "p2c.toml").write_text(text, "utf-8")
    with ends(), pytest.raises(P2CError) as error:
        read(workspace(tmp_path), "sales")
    assert "127.0.0.1" in str(error.value)
    assert ssl.SSLError.__name__ not in str(error.value)


def test_a_port_that_refuses_is_told(
    here: Workspace, place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    text = (here.root / "p2c.toml").read_text("utf-8").replace(place.finops_url, "http://127.0.0.1:9")
    (tmp_path / "p2c.toml").write_text(text, "utf-8")
    with ends(), pytest.raises(P2CError, match=r"127\.0\.0\.1:9"):
        read(workspace(tmp_path), "finops")
