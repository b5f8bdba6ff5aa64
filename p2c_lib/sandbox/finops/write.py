"""POST, PATCH and DELETE of F&O rows: the body checked, the business logic asked, keys kept."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from p2c_lib.sandbox.collation import company, finops_key
from p2c_lib.sandbox.finops.read import Options, row_answer, selected, shown_key, visible
from p2c_lib.sandbox.finops.refusals import bad_body, nothing_to_update, write_refused
from p2c_lib.sandbox.finops.rules import Row, Rules
from p2c_lib.sandbox.finops.values import NAMESPACE, etag, keyed, stored
from p2c_lib.sandbox.payload import from_text, wide_as_text
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import KeyTaken, Store, Value
from p2c_lib.sandbox.wire import Answer, Call, Refusal


def body_of(call: Call) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = call.json()
        if b"\\u" in call.body:
            # Half of a surrogate pair is JSON, but no text that can be stored.
            json.dumps(body, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise bad_body(f"The body is not JSON: {str(error)[:120]}") from error
    if not isinstance(body, dict):
        raise bad_body("The body must be a JSON object.")
    return body


def stored_body(entity: Entity, call: Call, rules: Rules) -> Row:
    """The call's body as stored values; a property the entity does not have is refused."""
    body, compatible = body_of(call), wide_as_text(call.headers.get("content-type", ""))
    row: Row = {}
    _of_type(entity, body.get("@odata.type", ""))
    for name, sent in body.items():
        if "@odata." in name:
            continue
        column = entity.columns.get(name)
        if column is None:
            raise bad_body(
                f"The property '{name}' does not exist on type '{NAMESPACE}.{entity.name}'. "
                "Make sure to only use property names that are defined by the type."
            )
        row[name] = stored(entity, column, from_text(sent, column.kind, compatible=compatible), rules.switches)
    return row


def _of_type(entity: Entity, kind: object) -> None:
    """Refuse a body that says it is of another entity."""
    own = f"{NAMESPACE}.{entity.name}"
    named = kind.removeprefix("#") if isinstance(kind, str) else kind
    if not isinstance(named, str) or named not in {"", own}:
        raise bad_body(
            f"A resource with type '{str(named)[:120]}' was found, but it is not assignable to the expected type "
            f"'{own}'. The type specified in the resource must be equal to either the expected type or a derived type."
        )


def create(call: Call, entity: Entity, store: Store, options: Options, rules: Rules) -> Answer:
    """POST: 201 and the whole row, with what F&O added to it."""
    options.only("$select", "$format")
    sent = stored_body(entity, call, rules)
    for name in sent:
        if not entity.columns[name].create:
            raise write_refused(entity, f"Error: Field '{name}' does not allow editing.")
    with store.write():
        row = insert(entity, sent, store, rules)
        found = store.find(entity, {name: row[name] for name in entity.key})
    assert found is not None
    answer = row_answer(call, entity, options, selected(entity, options), found, status=201)
    key = quote(shown_key({name: row[name] for name in entity.key}), safe="(),='")
    answer.headers.append(("Location", f"{call.base}/data/{entity.set_name}{key}"))
    return answer


def insert(entity: Entity, sent: Row, store: Store, rules: Rules) -> Row:
    """Insert one row as the entity would, and answer what was stored."""
    row = dict(sent)
    if entity.companied:
        row["dataAreaId"] = _company(entity, row.get("dataAreaId"), rules)
    row = rules.complete(entity, row)
    for name in entity.key:
        if row.get(name) in (None, "") and entity.columns[name].required == "application":
            raise write_refused(
                entity,
                f"Warning: Field '{name}' must be filled in.",
                f"Warning: validateWrite failed on data source '{entity.aot} ({entity.aot})'.",
            )
    row = keyed(entity, row)
    rules.check(entity, row, row)
    try:
        store.insert(entity, {k: v for k, v in row.items() if v is not None})
    except KeyTaken as taken:
        raise _taken(entity, row) from taken
    rules.written(entity, row)
    return row


def _company(entity: Entity, sent: Value, rules: Rules) -> str:
    named = str(sent or rules.switches.default_company)
    there = rules.find("LegalEntities", LegalEntityId=named)
    if there is None:
        raise write_refused(entity, f"Error: The company '{named.lower()}' does not exist.")
    return company(str(there["LegalEntityId"]))


def _taken(entity: Entity, row: Row) -> Refusal:
    shown = ", ".join(f"{name}: {row[name]}" for name in entity.key if name != "dataAreaId")
    text = f"Info: Cannot create a record in {entity.label} ({entity.aot}). {shown}.\nThe record already exists."
    return write_refused(entity, text)


def update(call: Call, entity: Entity, store: Store, options: Options, rules: Rules, key: dict[str, Value]) -> Answer:
    """PATCH: 204; a row that is not there is refused, for there is no upsert."""
    options.only()
    sent = stored_body(entity, call, rules)
    with store.write():
        found = _present(call, entity, store, options, rules, key)
        written_over(entity, found, sent, store, rules)
    return Answer(204, [("OData-Version", "4.0")])


def written_over(entity: Entity, found: Row, sent: Row, store: Store, rules: Rules) -> None:
    """Set the sent columns of a row that is there, as the entity would; columns that are not sent stay."""
    for name, value in sent.items():
        if not entity.columns[name].update and not _same(value, found[name]):
            raise write_refused(
                entity,
                f"Error: Field '{name}' does not allow editing.",
                f"Warning: validateField failed on field '{entity.aot}.{name}'.",
            )
    changed = {name: value for name, value in sent.items() if entity.columns[name].update}
    row = {**found, **changed}
    rules.check(entity, row, changed)
    moved = {name: value for name, value in row.items() if value is not found.get(name)}
    store.update(entity, int(found["_id"] or 0), moved)
    rules.written(entity, row)


def _same(value: Value, there: Value) -> bool:
    if isinstance(value, Decimal) or isinstance(there, Decimal):
        return (value or 0) == (there or 0)
    return finops_key(str(value or "")) == finops_key(str(there or ""))


def _present(
    call: Call, entity: Entity, store: Store, options: Options, rules: Rules, key: dict[str, Value]
) -> dict[str, Value]:
    found = store.find(entity, key) if visible(entity, key, options) else None
    if found is None:
        raise nothing_to_update()
    wanted = call.headers.get("if-match", "*").strip()
    current = etag(int(found["_version"] or 0), int(found["_id"] or 0))
    if wanted == "*" or current in [mark.strip() for mark in wanted.split(",")]:
        return found
    if rules.switches.etag_mismatch == "412":
        message = "The row was changed since it was read: the etag in If-Match is not the current one."
        raise Refusal(412, "", message)
    raise write_refused(
        entity,
        f"Error: Cannot edit a record in {entity.label} ({entity.aot}). An update conflict occurred due to another "
        "user process deleting the record or changing one or more fields in the record.",
    )


def delete(call: Call, entity: Entity, store: Store, options: Options, rules: Rules, key: dict[str, Value]) -> Answer:
    """DELETE: 204; refused while other rows name this one."""
    options.only()
    with store.write():
        found = _present(call, entity, store, options, rules, key)
        rules.unused(entity, found)
        if entity.set_name == "CDSSalesQuotationHeaders":
            _delete_lines(found, store, rules)
        store.delete(entity, int(found["_id"] or 0))
        rules.written(entity, found)
    return Answer(204, [("OData-Version", "4.0")])


def _delete_lines(header: Row, store: Store, rules: Rules) -> None:
    lines = rules.sets["CDSSalesQuotationLines"]
    key = {name: header[name] for name in ("dataAreaId", "SalesQuotationNumber")}
    while (line := store.find(lines, key)) is not None:
        store.delete(lines, int(line["_id"] or 0))
