"""The version noted of a new row is that of our own write, whoever was at the row before it was looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from p2c_lib.config import Workspace
from p2c_lib.flow import TaskWalk
from p2c_lib.load import apply, applying, following, undo
from p2c_lib.load.versions import UNDER_WAY, versions_of
from p2c_lib.odata import Client, Query, Write
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import plan_of
from tests.subtle import ACCOUNTS, PLAIN, Subject, raw_rows

THEIRS = "theirs"
SUBJECTS = [PLAIN, ACCOUNTS]
NAMES = {"finops": "OrganizationName", "sales": "name"}
BESIDE = {"finops": "PrimaryContactPhone", "sales": "telephone1"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("versions"))) as opened:
        yield opened


class Between(httpx.BaseTransport):
    """After the first write was answered, and before the next request goes out, ``deed`` is done."""

    def __init__(self, deed: Callable[[], None]) -> None:
        self._inner, self._deed, self._written, self.done = httpx.HTTPTransport(), deed, False, False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._written and not self.done:
            self.done = True
            self._deed()
        response = self._inner.handle_request(request)
        sent = request.method in {"POST", "PATCH"} and "oauth2" not in request.url.path
        self._written = self._written or (sent and response.status_code < 300)
        return response

    def close(self) -> None:
        self._inner.close()


@contextmanager
def between(session: Session, app: str, deed: Callable[[], None]) -> Iterator[Between]:
    """A session in which somebody else does something right after the first write."""
    usual, gate = session.client(app), Between(deed)
    with Client(usual.connection, transport=gate) as client:
        setattr(session, app, client)
        try:
            yield gate
        finally:
            setattr(session, app, usual)


def rows_of(subject: Subject, prefix: str, count: int) -> list[dict[str, Any]]:
    return [
        {name: None if "parent" in name else value for name, value in row.items()}
        for row in subject.rows(prefix, count, 1)
    ]


def planned(session: Session, subject: Subject, prefix: str, rows: list[dict[str, Any]]) -> Plan:
    return plan_of(session, rows, session.workspace.state / "plans", prefix, subject.template)


def theirs(session: Session, subject: Subject, number: str, **fields: object) -> None:
    """Somebody else's change, over a connection of their own."""
    key = {subject.key: number} if subject.app == "sales" else {"dataAreaId": "usmf", subject.key: number}
    with Client(session.client(subject.app).connection) as other:
        (result,) = other.write([Write("update", subject.template.destination.entity, key, fields)])
    assert result.ok, result.error


def held(session: Session, subject: Subject, prefix: str, column: str) -> dict[str, Any]:
    return {row[subject.key]: row[column] for row in raw_rows(session, subject, prefix)}


@pytest.mark.parametrize("op", ["create", "update"])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.app)
def test_what_somebody_changed_right_after_our_write_is_not_undone(
    session: Session, subject: Subject, beside: bool, op: str
) -> None:
    prefix = f"QA{subject.app[0]}{op[0]}{int(beside)}-".upper()
    name = NAMES[subject.app]
    rows = rows_of(subject, prefix, 4)
    if op == "update":
        assert apply(planned(session, subject, prefix, rows), session).complete
        before = held(session, subject, prefix, name)
        rows = [{**row, name: f"{row[name]} of ours"} for row in rows]
    plan = planned(session, subject, prefix, rows)
    column = BESIDE[subject.app] if beside else name
    number = rows[1][subject.key]
    with between(session, subject.app, lambda: theirs(session, subject, number, **{column: THEIRS})) as gate:
        assert apply(plan, session).complete
    assert gate.done
    (back,) = undo(plan, session)
    assert apply(back, session).complete
    now = held(session, subject, prefix, column)
    assert now[number] == THEIRS
    if op == "create":
        assert list(now) == [number]
        assert [line["key"] for line in back.facts["cannot"]] == [number.lower()]
    else:  # what stands beside the fields of an update stays where it is, and they go back
        names = held(session, subject, prefix, name)
        assert names == (before if beside else before | {number: THEIRS})


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.app)
def test_an_apply_that_goes_on_next_morning_notes_nothing_of_the_evenings_rows(
    session: Session, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "CHUNK", 4)
    prefix = f"QB{subject.app[0]}-".upper()
    rows = rows_of(subject, prefix, 16)
    plan = planned(session, subject, prefix, rows)

    def cut(_done: int, _planned: int) -> None:
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        apply(plan, session, progress=cut)
    number = rows[0][subject.key]
    theirs(session, subject, number, **{BESIDE[subject.app]: THEIRS})
    assert apply(plan, session).complete
    (back,) = undo(plan, session)
    assert [line["why"] for line in back.facts["cannot"]] == ["the row was touched since it was created"]
    assert apply(back, session).complete
    assert held(session, subject, prefix, BESIDE[subject.app]) == {number: THEIRS}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.app)
def test_a_new_row_of_which_no_version_is_known_is_not_deleted(session: Session, subject: Subject) -> None:
    prefix = f"QC{subject.app[0]}-".upper()
    rows = rows_of(subject, prefix, 3)
    plan = planned(session, subject, prefix, rows)
    assert apply(plan, session).complete
    (plan.folder / "versions.parquet").unlink()
    theirs(session, subject, rows[0][subject.key], **{BESIDE[subject.app]: THEIRS})
    assert apply(plan, session).complete
    (back,) = undo(plan, session)
    assert (len(back), len(back.facts["cannot"])) == (0, 3)


def test_rows_of_a_bulk_message_are_known_by_how_they_stand_afterwards(session: Session) -> None:
    rows = rows_of(ACCOUNTS, "QD-", 120)
    plan = planned(session, ACCOUNTS, "QD-", rows)
    number = rows[1]["accountnumber"]
    with between(session, "sales", lambda: theirs(session, ACCOUNTS, number, name=THEIRS)) as gate:
        assert apply(plan, session).complete
    assert gate.done
    assert len(versions_of(plan)) == 119
    (back,) = undo(plan, session)
    assert (len(back), [line["key"] for line in back.facts["cannot"]]) == (119, [number.lower()])


def test_versions_that_were_noted_outlive_an_apply_that_was_killed(session: Session) -> None:
    plan = planned(session, PLAIN, "QE-", rows_of(PLAIN, "QE-", 3))
    assert apply(plan, session).complete
    known = versions_of(plan)
    (plan.folder / "versions.parquet").unlink()
    lines = [json.dumps({key: etag}) for key, etag in known.items()]
    (plan.folder / UNDER_WAY).write_text("\n".join(lines)[:-9])  # killed in the midst of the last one
    assert versions_of(plan) == dict(list(known.items())[:2])
    (back,) = undo(plan, session)
    assert (len(back), len(back.facts["cannot"])) == (2, 1)


def test_a_draft_of_somebody_else_that_has_our_number_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    workspace.sandbox_home.mkdir(parents=True)
    (workspace.sandbox_home / "switches.json").write_text(json.dumps({"sales": {"products_active": False}}))
    with connect(workspace=workspace) as session:
        plan = TaskWalk("products", session).plan().only(ops=["create"])
        with monkeypatch.context() as killed:  # between the writes and what follows from them
            killed.setattr(following.Following, "carry_out", lambda _self, _applied: ())
            apply(plan, session)
        first = plan.operations.to_pylist()[0]
        ours, number = first["id"], first["after"]["productnumber"]
        mine = session.sales.get("products", {"productid": ours}, ("defaultuomid", "defaultuomscheduleid"))
        moved = Write("update", "products", {"productid": ours}, {"productnumber": f"{number}-old"})
        body = {
            "productnumber": number,
            "name": "theirs, in preparation",
            "quantitydecimal": 0,
            "defaultuomid@odata.bind": f"/uoms({mine['defaultuomid']})",
            "defaultuomscheduleid@odata.bind": f"/uomschedules({mine['defaultuomscheduleid']})",
        }
        (renumbered,), (made,) = (
            session.sales.write([each]) for each in (moved, Write("create", "products", None, body))
        )
        assert renumbered.ok, made.ok
        outcome = apply(plan, session)
        pages = session.sales.read(Query("products", ("productid", "statecode")))
        states = {row["productid"]: row["statecode"] for page in pages for row in page.table.to_pylist()}
        assert (states[ours], states[str(made.row_id)]) == (0, 2)
        published = outcome.followed[0]
        assert (published.rows, published.done) == (len(plan), len(plan))
        (back,) = undo(plan, session)
        assert {line["key"] for line in back.facts["cannot"]} == {first["key"]}
