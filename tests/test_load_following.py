"""What follows from products that were written: drafts published, price-list items seen, all of it accounted for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from p2c_lib.config import Workspace
from p2c_lib.flow import TaskWalk
from p2c_lib.frames import EntityQuery
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from p2c_lib.why import why


@contextmanager
def sales_that(folder: Path, **switches: Any) -> Iterator[Session]:
    """A session with a sandbox whose Sales behaves in some way."""
    workspace = Workspace(folder)
    workspace.sandbox_home.mkdir(parents=True)
    (workspace.sandbox_home / "switches.json").write_text(json.dumps({"sales": switches}))
    with connect(workspace=workspace) as session:
        yield session


def drafts(session: Session) -> int:
    query = EntityQuery("sales", "products", ("productnumber", "statecode"), ("productnumber",))
    return int((session.extract(query).df["statecode"] == 2).sum())


def items(session: Session) -> int:
    query = EntityQuery("sales", "productpricelevels", ("productid.productnumber",), ("productid.productnumber",))
    return len(session.extract(query))


def planned(session: Session) -> Plan:
    return TaskWalk("products", session).plan()


def test_drafts_are_published_as_the_plan_says_and_once(tmp_path: Path) -> None:
    with sales_that(tmp_path, products_active=False) as session:
        before, plan = items(session), planned(session)
        lines = {(line["entity_set"], line["by"]): line["rows"] for line in plan.facts["follows"]}
        assert lines["products", "the apply"] == plan.creates > 0
        assert "a draft cannot be put on a quote" in plan.report().to_text()
        outcome = apply(plan, session)
        published, seen = outcome.followed
        assert (published.rows, published.done, seen.rows == seen.done >= plan.creates) == (
            plan.creates,
            plan.creates,
            True,
        )
        assert (outcome.complete, drafts(session)) == (True, 0)
        assert "drafts published" in outcome.report().to_text()
        ledger = open_ledger(session.workspace.ledger)
        follow = [row for row in ledger.operations(plan.id) if row["position"] >= len(plan)]
        assert {(row["op"], row["state"]) for row in follow} == {("publish", "applied")}
        key = follow[0]["key"]
        chain = dict(why("sales", "products", key, "statecode", session).steps)
        assert chain["source"].startswith("nothing: Sales made the new product a draft")
        assert follow[0]["request_id"] in chain["written"]
        assert "price" in dict(why("sales", "products", key, "price", session).steps)["rule"]
        # The answer to one publishing is lost: the next apply asks for the state, and publishes nothing again.
        ledger.sending(plan.id, [{name: follow[0][name] for name in ("position", "op", "entity_set", "key")}])
        again = apply(plan, session, ledger=ledger)
        assert [each.what for each in again.followed] == ["price-list items there as priced"]
        assert {row["state"] for row in ledger.operations(plan.id)} == {"applied"}
        ledger.close()
        (back,) = undo(plan, session)
        assert [line["rows"] for line in back.facts["follows"] if "go with it" in line["says"]] == [plan.creates]
        assert apply(back, session).complete
        assert items(session) == before


def test_a_publishing_that_was_sent_and_lost_is_done_by_the_next_apply(tmp_path: Path) -> None:
    with sales_that(tmp_path, products_active=False) as session:
        plan = planned(session).only(ops=["create"])
        ledger = open_ledger(session.workspace.ledger)
        line = {"position": len(plan), "op": "publish", "entity_set": "products"}
        ledger.sending(plan.id, [line | {"key": plan.operations.column("key")[0].as_py()}])
        assert apply(plan, session, ledger=ledger).complete
        assert {row["state"] for row in ledger.operations(plan.id)} == {"applied"}
        ledger.close()
        assert drafts(session) == 0


def test_a_price_list_item_that_sales_did_not_write_is_told(tmp_path: Path) -> None:
    with sales_that(tmp_path, solution=False) as session:
        plan = planned(session).only(ops=["create"])
        outcome = apply(plan, session)
    (seen,) = outcome.followed
    assert (outcome.created, seen.rows, seen.done) == (plan.creates, plan.creates, 0)
    assert seen.why[-1] == "is the Prospect to cash solution installed and switched on?"
    assert (outcome.complete, outcome.report().verdict) == (False, "warn")
