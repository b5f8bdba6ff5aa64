"""Unbound and bound actions of the Sales app: close and revise quotes, publish and revert products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse import bulk
from p2c_lib.sandbox.dataverse.arguments import sent
from p2c_lib.sandbox.dataverse.keys import Key, bound, find
from p2c_lib.sandbox.dataverse.model import by_name, properties
from p2c_lib.sandbox.dataverse.operations import BY_NAME
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.organisation import now
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument, plugin, unknown_property
from p2c_lib.sandbox.dataverse.states import (
    PRODUCT_ACTIVE,
    PRODUCT_RETIRED,
    PRODUCT_REVISED,
    QUOTE_ACTIVE,
    QUOTE_CLOSED,
    QUOTE_DRAFT,
    QUOTE_WON,
)
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Value, quoted, sortable_guid, table
from p2c_lib.sandbox.wire import Answer, Refusal

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

_WON, _LOST, _CANCELED, _REVISED = 4, 5, 6, 7
_NO_CONTENT = [("OData-Version", "4.0")]
_COMPUTED = {
    "createdon",
    "overriddencreatedon",
    "modifiedon",
    "statecode",
    "statuscode",
    "revisionnumber",
    "quoteid",
    "closedon",
}


def find_action(name: str) -> Callable[[Request, list[Segment]], Answer] | None:
    """The answer to a path that is a call of the unbound action of that name."""
    work = _UNBOUND.get(name)
    if work is None:
        return None
    return lambda request, path: work(request, sent(request, BY_NAME[name], path[0], path[1:]))


def bound_to_row(entity: Entity, path: Sequence[Segment]) -> Callable[[Request, Key], Answer] | None:
    """The action that a path after one row of the table begins with, by its qualified name, if it is bound to it."""
    bare = path[0].name.removeprefix(f"{NAMESPACE}.")
    work = _BOUND.get(bare) if path[0].name.startswith(f"{NAMESPACE}.") else None
    if work is None or not BY_NAME[bare].fits(entity.name):
        return None

    def called(request: Request, key: Key) -> Answer:
        sent(request, BY_NAME[bare], path[0], path[1:])
        return work(request, key)

    return called


# -- quotes -----------------------------------------------------------------------------------------------------------


def _win_quote(request: Request, given: Mapping[str, Any]) -> Answer:
    return _close(request, given, QUOTE_WON, {_WON}, _WON)


def _close_quote(request: Request, given: Mapping[str, Any]) -> Answer:
    return _close(request, given, QUOTE_CLOSED, {_LOST, _CANCELED, _REVISED}, _LOST)


def _close(request: Request, given: Mapping[str, Any], state: int, allowed: set[int], default: int) -> Answer:
    closing = given["QuoteClose"]
    if "quoteid@odata.bind" not in closing:
        raise bad_argument("The action needs QuoteClose with 'quoteid@odata.bind'.")
    status = given["Status"]
    status = default if status is None or status == -1 else status
    if status not in allowed:
        raise bad_argument(f"{status} is not a valid Status for the action; allowed: -1, {sorted(allowed)}.")
    with request.store.write():
        row = _quote(request, closing["quoteid@odata.bind"])
        if row["statecode"] != QUOTE_ACTIVE:
            raise plugin("The quote cannot be closed because it is not in the Active state.")
        _finish(request, row, state, status)
    return Answer(204, list(_NO_CONTENT))


def _finish(request: Request, row: Mapping[str, Value], state: int, status: int) -> None:
    quotes = by_name("quote")
    values: dict[str, Value] = {"statecode": state, "statuscode": status, "modifiedon": now()}
    if "closedon" in quotes.columns:
        values["closedon"] = now()[: 10 if quotes.columns["closedon"].kind == "date" else 20]
    request.store.update(quotes, int(row["_id"] or 0), values)
    lines = table(by_name("quotedetail"))
    sql = f"UPDATE {lines} SET quotestatecode = ? WHERE quoteid = ?"  # noqa: S608 - a name of the schema
    request.store.connection.execute(sql, [state, row["quoteid"]])


def _quote(request: Request, url: object) -> dict[str, Value]:
    quotes = by_name("quote")
    entity, key = bound(request.store, url, request.contents)
    if entity.name != "quote":
        raise bad_argument(f"A quote is expected; '{entity.name}' came.")
    return find(request.store, Key(quotes, {"quoteid": key}, None, key)) or {}


def _revise_quote(request: Request, given: Mapping[str, Any]) -> Answer:
    columns = _columns(given["ColumnSet"])
    with request.store.write():
        row = _quote(request, f"/quotes({given['QuoteId'].strip('{}')})")
        if row["statecode"] not in {QUOTE_ACTIVE, QUOTE_CLOSED}:
            raise plugin("Only an active or closed quote can be revised.")
        _no_other(request, row)
        if row["statecode"] == QUOTE_ACTIVE:
            _finish(request, row, QUOTE_CLOSED, _REVISED)
        return request.row_answer(by_name("quote"), _copied(request, row), columns, 200)


def _columns(asked: Mapping[str, Any] | None) -> Options:
    """The columns of a ColumnSet; all of them when it is null or says so."""
    if asked is None:
        return Options()
    names = asked.get("Columns") or []
    known = {column.name: name for name, column in properties(by_name("quote")).items()}
    for name in names:
        if name not in known:
            raise unknown_property(name, by_name("quote"))
    return Options(select=() if asked.get("AllColumns") is True else tuple(known[name] for name in names))


def _no_other(request: Request, row: Mapping[str, Value]) -> None:
    quotes = table(by_name("quote"))
    bare = "substr(quotenumber, 1, ifnull(nullif(instr(quotenumber, '~'), 0), 999) - 1)"
    same = f"sales_key({bare}) = sales_key(?)"
    sql = f"SELECT 1 FROM {quotes} WHERE quoteid <> ? AND statecode IN (?, ?) AND {same}"  # noqa: S608 - schema name
    given = [row["quoteid"], QUOTE_DRAFT, QUOTE_ACTIVE, str(row["quotenumber"]).partition("~")[0]]
    if request.store.connection.execute(sql, given).fetchone():
        message = "The quote cannot be revised: another draft or active quote has the same quote number."
        raise Refusal(400, "0x80048d00", message)


def _copied(request: Request, row: Mapping[str, Value]) -> int:
    quotes, lines = by_name("quote"), by_name("quotedetail")
    key = sortable_guid()
    revision = int(row.get("revisionnumber") or 0) + 1
    stamp: dict[str, Value] = {"createdon": now(), "modifiedon": now(), "statecode": QUOTE_DRAFT, "statuscode": 1}
    kept = {name: value for name, value in row.items() if not name.startswith("_") and name not in _COMPUTED}
    # Quote numbers are unique here, so the revision takes a suffix of its own.
    number = f"{str(row['quotenumber']).partition('~')[0]}~{revision}"
    own: dict[str, Value] = {"quoteid": key, "revisionnumber": revision, "quotenumber": number}
    record = request.store.insert(quotes, {**kept, **stamp, **own})
    sql = f"SELECT _id FROM {table(lines)} WHERE quoteid = ? ORDER BY _id"  # noqa: S608 - a name of the schema
    for (line,) in request.store.connection.execute(sql, [row["quoteid"]]).fetchall():
        found = request.store.find(lines, {"_id": line}) or {}
        values = {name: value for name, value in found.items() if not name.startswith("_")}
        changed: dict[str, Value] = {"quoteid": key, "quotedetailid": sortable_guid(), "quotestatecode": QUOTE_DRAFT}
        request.store.insert(lines, {**values, **changed})
    return record


# -- products ---------------------------------------------------------------------------------------------------------


def _publish(request: Request, key: Key) -> Answer:
    with request.store.write():
        row = find(request.store, key)
        if row is None:
            raise key.missing()
        if row["statecode"] == PRODUCT_RETIRED:
            raise Refusal(400, "0x8004F977", "You can't publish a retired product.")
        for record in [int(row["_id"] or 0), *_descendants(request, str(row["productid"]))]:
            request.store.update(by_name("product"), record, {"statecode": PRODUCT_ACTIVE, "statuscode": 1})
    return Answer(204, list(_NO_CONTENT))


def _descendants(request: Request, parent: str) -> list[int]:
    products, parents = table(by_name("product")), quoted("parentproductid")
    sql = (
        f"WITH RECURSIVE tree(id, record) AS (SELECT productid, _id FROM {products} WHERE {parents} = ? UNION "  # noqa: S608
        f"SELECT p.productid, p._id FROM {products} AS p, tree WHERE p.{parents} = tree.id) SELECT record FROM tree"
    )
    return [int(row[0]) for row in request.store.connection.execute(sql, [parent])]


def _revert(request: Request, key: Key) -> Answer:
    with request.store.write():
        row = find(request.store, key)
        if row is None:
            raise key.missing()
        if row["statecode"] != PRODUCT_REVISED:
            raise plugin("Only a product under revision can be reverted.")
        request.store.update(by_name("product"), int(row["_id"] or 0), {"statecode": PRODUCT_ACTIVE, "statuscode": 1})
    return Answer(204, list(_NO_CONTENT))


_UNBOUND = {
    "WinQuote": _win_quote,
    "CloseQuote": _close_quote,
    "ReviseQuote": _revise_quote,
    "BulkDelete": bulk.bulk_delete,
}
_BOUND = {"PublishProductHierarchy": _publish, "RevertProduct": _revert}
