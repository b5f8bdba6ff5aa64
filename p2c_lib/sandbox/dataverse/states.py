"""States and what they allow: quotes, products, price lists; which status belongs to which state."""

from __future__ import annotations

from collections.abc import Mapping

from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.refusals import plugin
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.wire import Refusal

QUOTE_DRAFT, QUOTE_ACTIVE, QUOTE_WON, QUOTE_CLOSED = 0, 1, 2, 3
PRODUCT_ACTIVE, PRODUCT_RETIRED, PRODUCT_DRAFT, PRODUCT_REVISED = 0, 1, 2, 3
_STATE_COLUMNS = {"statecode", "statuscode"}
_PRODUCT_MOVES = {
    (PRODUCT_ACTIVE, PRODUCT_DRAFT): ("0x8004F912", "You can't change the state of an active product to draft."),
    (PRODUCT_DRAFT, PRODUCT_REVISED): ("0x8004F913", "You can't revise a draft product."),
    (PRODUCT_RETIRED, PRODUCT_REVISED): ("0x8004F913", "You can't revise a retired product."),
    (PRODUCT_DRAFT, PRODUCT_RETIRED): ("0x8004F978", "You can't retire a draft product."),
    (PRODUCT_RETIRED, PRODUCT_DRAFT): ("0x8004F979", "You can't change the state of a retired product to draft."),
    (PRODUCT_REVISED, PRODUCT_DRAFT): (
        "0x8004F912",
        "You can't change the state of a product under revision to draft.",
    ),
    (PRODUCT_RETIRED, PRODUCT_RETIRED): ("0x8004F980", "The product is already retired."),
    (PRODUCT_DRAFT, PRODUCT_DRAFT): ("0x8004F981", "The product is already in the draft state."),
    (PRODUCT_ACTIVE, PRODUCT_ACTIVE): ("0x8004F982", "The product is already active."),
}


def before_create(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    """The first state of a new row, and the refusals of new lines under a document that is closed to changes."""
    if entity.name == "product":
        active = organisation.switches.products_active and values.get("parentproductid") is None
        state = PRODUCT_ACTIVE if active else PRODUCT_DRAFT
        values.update(statecode=state, statuscode=_default_status(entity, state))
    if entity.name == "quotedetail":
        _open_quote(organisation, values.get("quoteid"))


def check_status(entity: Entity, given: Mapping[str, Value], state: int) -> None:
    """Refuse a status that does not belong to the state."""
    column = entity.columns.get("statuscode")
    status = given.get("statuscode")
    if column is None or status is None:
        return
    if not any(value == status and of in {state, None} for value, _, of in column.choices):
        names = {value: label for value, label, _ in entity.columns["statecode"].choices}
        message = f"{status} is not a valid status code for state code {names.get(state, state)} on {entity.name}."
        raise Refusal(400, "0x80048408", message)


def _default_status(entity: Entity, state: int) -> Value:
    column = entity.columns["statecode"]
    if state in column.default_status:
        return column.default_status[state]
    return next((value for value, _, of in entity.columns["statuscode"].choices if of == state), None)


def before_update(
    organisation: Organisation, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]
) -> None:
    """Complete state and status, and refuse moves and changes that the state does not allow."""
    if entity.name == "quote":
        _quote(organisation, row, values)
    elif entity.name == "product":
        _product(organisation, row, values)
    elif entity.name == "quotedetail":
        _open_quote(organisation, row.get("quoteid"))
    if values.get("statecode") is not None and "statecode" in entity.columns:
        state = int(values["statecode"] or 0)
        if values.get("statuscode") is None and "statuscode" in entity.columns:
            values["statuscode"] = _default_status(entity, state)
        check_status(entity, values, state)
    elif values.get("statuscode") is not None and "statecode" in entity.columns:
        check_status(entity, values, int(row.get("statecode") or 0))


def before_delete(organisation: Organisation, entity: Entity, row: Mapping[str, Value]) -> None:
    """A line goes only while its quote is a draft."""
    if entity.name == "quotedetail":
        line = organisation.store.find(entity, {"quotedetailid": row["quotedetailid"]}) or {}
        _open_quote(organisation, line.get("quoteid"))


def after_update(
    organisation: Organisation,
    entity: Entity,
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    changed: Mapping[str, Value],
) -> None:
    """Lines carry the state of their quote."""
    if entity.name == "quote" and "statecode" in changed and before.get("statecode") != after.get("statecode"):
        organisation.store.connection.execute(
            "UPDATE sales_quotedetails SET quotestatecode = ? WHERE quoteid = ?", [after["statecode"], after["quoteid"]]
        )


def _quote(organisation: Organisation, row: Mapping[str, Value], values: dict[str, Value]) -> None:
    state = int(row.get("statecode") or 0)
    wanted = values.get("statecode")
    if wanted in {QUOTE_WON, QUOTE_CLOSED} and wanted != state:
        raise plugin("A quote is won or closed with the WinQuote or CloseQuote action, not by an update of its state.")
    if wanted == QUOTE_DRAFT and state != QUOTE_DRAFT:
        raise plugin("The quote cannot be set back to draft; revise it instead.")
    if not organisation.switches.quotes_locked or state == QUOTE_DRAFT:
        return
    if values.keys() - _STATE_COLUMNS:
        raise plugin("The quote cannot be edited because it is not in draft state.")


def _open_quote(organisation: Organisation, quote: Value) -> None:
    row = organisation.store.find(by_name("quote"), {"quoteid": quote}) if quote else None
    if row is None or not organisation.switches.quotes_locked:
        return
    if int(row.get("statecode") or 0) != QUOTE_DRAFT:
        raise plugin("The quote product cannot be changed because the quote is not in draft state.")


def _product(organisation: Organisation, row: Mapping[str, Value], values: dict[str, Value]) -> None:
    state = int(row.get("statecode") or 0)
    wanted = values.get("statecode")
    if wanted == state and values.keys() - _STATE_COLUMNS:
        wanted = None
    if wanted is not None:
        refused = _PRODUCT_MOVES.get((state, int(wanted)))
        if refused is None and (state, wanted) == (PRODUCT_RETIRED, PRODUCT_ACTIVE) and row.get("parentproductid"):
            refused = ("0x8004F977", "You can't activate a retired product that belongs to a family.")
        if refused is not None:
            raise Refusal(400, *refused)
        return
    external = values.get("msdynce_ismaintainedexternally", row.get("msdynce_ismaintainedexternally"))
    if not organisation.switches.products_locked or external or state in {PRODUCT_DRAFT, PRODUCT_REVISED}:
        return
    if values.keys() - _STATE_COLUMNS - {"pricelevelid"}:
        raise Refusal(400, "0x8004F995", "A product, family or bundle can be updated only when it is in draft state.")
