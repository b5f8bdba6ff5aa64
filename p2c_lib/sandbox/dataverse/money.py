"""Decimals of money: by the column, by the organisation's setting for prices, or by the row's currency."""

from __future__ import annotations

from collections.abc import Mapping

from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.exact import MOST_PLACES, decimal_of, rounded
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Value

ORGANISATION, CURRENCY = 1, 2
_NEW = 2  # decimals of an organisation and of a currency that say nothing


def places(organisation: Organisation, column: Column, currency: Value) -> int:
    """The decimals that are kept of a money column in a row of this currency: its PrecisionSource says whose."""
    if column.precision_source == ORGANISATION:
        return _told(organisation.setting("pricingdecimalprecision"))
    if column.precision_source == CURRENCY:
        key = {"transactioncurrencyid": currency or organisation.base_currency()}
        return _told(organisation.store.value(by_name("transactioncurrency"), "currencyprecision", key))
    return column.precision if column.precision is not None else _NEW


def _told(value: Value) -> int:
    return _NEW if value is None else min(int(value), MOST_PLACES)


def round_money(organisation: Organisation, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]) -> None:
    """Round the money among ``values``, half away from zero; ``row`` tells the currency where they do not."""
    currency = values.get("transactioncurrencyid") or row.get("transactioncurrencyid")
    known: dict[int, int] = {}
    for name, value in values.items():
        column = entity.columns.get(name)
        if column is None or column.kind != "money" or value is None:
            continue
        source = column.precision_source or 0
        if source not in {ORGANISATION, CURRENCY}:
            values[name] = rounded(decimal_of(value), places(organisation, column, currency))
            continue
        if source not in known:
            known[source] = places(organisation, column, currency)
        values[name] = rounded(decimal_of(value), known[source])
