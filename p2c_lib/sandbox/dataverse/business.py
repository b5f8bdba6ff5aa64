"""What the platform and the Sales app do around a write: defaults, states, names, numbers, prices and totals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from p2c_lib.sandbox.dataverse import pricing, sales_checks, states
from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.money import round_money
from p2c_lib.sandbox.dataverse.organisation import Organisation, now
from p2c_lib.sandbox.dataverse.refusals import may_not_override
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.solution import number_text
from p2c_lib.sandbox.store import Store, Value

_NUMBERED = {"quote": ("quotenumber", "QUO"), "salesorder": ("ordernumber", "ORD"), "invoice": ("invoicenumber", "INV")}


@cache
def defaults(name: str) -> Mapping[str, Value]:
    """The column values of a new row that says nothing: declared defaults, the first state and its status."""
    found: dict[str, Value] = {}
    for column in by_name(name).columns.values():
        if column.kind == "state":
            found[column.name] = 0
            if "statuscode" in by_name(name).columns:
                found["statuscode"] = column.default_status.get(0)
        elif column.default is not None and column.kind != "status":
            found[column.name] = int(column.default)
    return found


def before_create(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    """Fill in what a new row has by itself, and refuse what the Sales app refuses."""
    columns = entity.columns
    given = dict(values)
    states.before_create(organisation, entity, values)
    sales_checks.check_create(organisation, entity, values)
    for name, value in defaults(entity.name).items():
        values.setdefault(name, value)
    caller = organisation.caller()
    _stamped(organisation, entity, values)
    for name in ("createdby", "modifiedby"):
        if name in columns:
            values[name] = caller.user
    if "ownerid" in columns and values.get("ownerid") is None:
        values.update({"ownerid": caller.user, "ownerid!type": "systemuser"})
    _owning(organisation, entity, values)
    _named(entity, values, values)
    _numbered(organisation.store, entity, values)
    pricing.before_create(organisation, entity, values)
    _currency(organisation, entity, values)
    round_money(organisation, entity, values, values)
    pricing.calculate(organisation, entity, values, values)
    states.check_status(entity, given, int(values.get("statecode") or 0))


def _stamped(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    """When the row was made; a moment given for it is taken, and ``overriddencreatedon`` then holds the true one."""
    stamp, given = now(), values.get("overriddencreatedon")
    if given is not None and not organisation.switches.override_created:
        raise may_not_override(organisation.caller().user)
    own = {"createdon": given or stamp, "modifiedon": stamp, "overriddencreatedon": stamp if given else None}
    values.update({name: value for name, value in own.items() if name in entity.columns})


def _owning(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    if "ownerid" not in values:
        return
    kind, owner = values.get("ownerid!type"), values["ownerid"]
    holder = by_name("team" if kind == "team" else "systemuser")
    unit = organisation.store.value(holder, "businessunitid", {holder.key[0]: owner})
    owning = {
        "owninguser": owner if kind != "team" else None,
        "owningteam": owner if kind == "team" else None,
        "owningbusinessunit": unit or organisation.caller().business_unit,
    }
    values.update({name: value for name, value in owning.items() if name in entity.columns})


def _named(entity: Entity, row: Mapping[str, Value], values: dict[str, Value]) -> None:
    if "fullname" in entity.columns and ({"firstname", "lastname"} & values.keys()):
        parts = (row.get("firstname"), row.get("lastname"))
        values["fullname"] = " ".join(str(part) for part in parts if part) or None


def _numbered(store: Store, entity: Entity, values: dict[str, Value]) -> None:
    if entity.name in _NUMBERED:
        column, prefix = _NUMBERED[entity.name]
        if values.get(column) is None:
            number = store.next_number(f"sales:{entity.name}", 1000)
            values[column] = number_text(prefix, number)


def _currency(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    if "transactioncurrencyid" not in entity.columns or entity.name == "transactioncurrency":
        return
    if values.get("transactioncurrencyid") is None:
        values["transactioncurrencyid"] = organisation.base_currency()
    if "exchangerate" in entity.columns:
        values["exchangerate"] = organisation.exchange_rate(values["transactioncurrencyid"])


def after_create(organisation: Organisation, entity: Entity, values: Mapping[str, Value]) -> None:
    """Totals of the document a new line belongs to."""
    pricing.after_line(organisation, entity, values)


def before_update(
    organisation: Organisation, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]
) -> None:
    """Check states, then stamp who changed the row and when."""
    states.before_update(organisation, entity, row, values)
    if "modifiedon" in entity.columns:
        values["modifiedon"] = now()
    if "modifiedby" in entity.columns:
        values["modifiedby"] = organisation.caller().user
    after = {**row, **values}
    _named(entity, after, values)
    if "ownerid" in values:
        _owning(organisation, entity, values)
    if values.get("transactioncurrencyid") is not None and "exchangerate" in entity.columns:
        values["exchangerate"] = organisation.exchange_rate(values["transactioncurrencyid"])
    round_money(organisation, entity, row, values)
    pricing.calculate(organisation, entity, row, values)


def after_update(
    organisation: Organisation,
    entity: Entity,
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    changed: Mapping[str, Value],
) -> None:
    """Totals and states that follow from the change."""
    pricing.after_line(organisation, entity, after)
    states.after_update(organisation, entity, before, after, changed)


def before_delete(organisation: Organisation, entity: Entity, row: Mapping[str, Value]) -> None:
    """Refuse what the Sales app does not let go."""
    states.before_delete(organisation, entity, row)


def after_delete(organisation: Organisation, entity: Entity, row: Mapping[str, Value]) -> None:
    """Totals of the document a line was taken from."""
    pricing.after_line(organisation, entity, row)
