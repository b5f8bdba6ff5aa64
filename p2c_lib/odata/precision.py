"""How many decimals a service keeps of money that is written: by the column, the organisation or the row's currency.

Administrators change all three while programs run, so what was read of them is good for one judgement only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from p2c_lib.errors import NoRoute, NotAuthorised, NotFound, Rejected, UnknownName
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["Precisions", "RulesNow", "read_precisions"]

MOST = 38
ORGANISATION = "/api/data/v9.2/organizations?$select=pricingdecimalprecision,_basecurrencyid_value"
CURRENCIES = "/api/data/v9.2/transactioncurrencies?$select=transactioncurrencyid,isocurrencycode,currencyprecision"


@dataclass(frozen=True)
class Precisions:
    """The decimals of prices in an organisation and of each of its currencies, by ISO code; None where it is unknown.

    ``by_id`` are those of the currencies by their id, ``base`` is the id of the organisation's own.

    >>> Precisions(2, {"USD": 2, "JPY": 0}).kept(Column("price", "Edm.Decimal", None, places=4, places_by="currency"))
    2
    """

    pricing: int | None = None
    currencies: Mapping[str, int] = field(default_factory=dict)
    by_id: Mapping[str, int] = field(default_factory=dict)
    base: str | None = None

    def kept(self, column: Column, currency: str | None = None) -> int | None:
        """The decimals that are kept of a column's value in a row of this currency; None where nobody says.

        Without a currency they are those of the currency with the most: nothing that may be kept is rounded away.
        """
        if column.places_by == "organisation":
            return self.pricing
        if column.places_by == "currency":
            return self.currencies.get(currency or "", max(self.currencies.values(), default=None))
        return column.places

    def kept_in(self, column: Column, currency_id: object) -> int | None:
        """The decimals that are kept of a column's value in a row whose currency has this id; None where nobody says.

        A row without a currency goes by the organisation's.
        """
        if column.places_by == "organisation":
            return self.pricing
        if column.places_by == "currency":
            return self.by_id.get(str(currency_id or self.base).lower())
        return column.places


class RulesNow:
    """What a service does to the values of one set by its settings of this moment: each is asked for when it decides.

    One of these is for one judgement. ``schema`` describes the set and ``precisions`` says what is kept of money, both
    asked anew. Safe to share between threads.
    """

    def __init__(self, schema: Callable[[], EntitySchema], precisions: Callable[[], Precisions]) -> None:
        self._ask_schema, self._ask_precisions = schema, precisions
        self._lock = threading.Lock()
        self._schema: EntitySchema | None = None
        self._precisions: Precisions | None = None

    def of(self, name: str, currency_id: object) -> tuple[Column | None, int | None]:
        """A column as it is now, and the decimals kept of it in a row of this currency; None for what nobody says.

        Raises the ServiceError that keeps the service from saying it.
        """
        with self._lock:
            if self._schema is None:
                self._schema = self._described()
            column = self._schema.columns.get(name) if self._schema is not None else None
            if column is None or column.places_by == "attribute":
                return column, None if column is None else column.places
            if self._precisions is None:
                self._precisions = self._ask_precisions()
            return column, self._precisions.kept_in(column, currency_id)

    def _described(self) -> EntitySchema | None:
        try:
            return self._ask_schema()
        except UnknownName:  # the set is gone, and its rows with it
            return None


def read_precisions(get: Callable[[str, str], dict[str, Any]]) -> Precisions:
    """What the organisation says; where it may not be read, nothing is known and nothing is rounded before sending.

    Raises KeyError or ValueError for an answer that cannot be understood.
    """
    try:
        organisations = get(ORGANISATION, "organizations").get("value") or []
        currencies = get(CURRENCIES, "transactioncurrencies").get("value") or []
    except (NotAuthorised, NoRoute, NotFound, Rejected):
        return Precisions()
    pricing = next((_places(row.get("pricingdecimalprecision")) for row in organisations), None)
    base = next((row.get("_basecurrencyid_value") for row in organisations), None)
    told = [(row, places) for row in currencies if (places := _places(row.get("currencyprecision"))) is not None]
    by_code = {str(row["isocurrencycode"]): places for row, places in told}
    by_id = {str(row.get("transactioncurrencyid")).lower(): places for row, places in told}
    return Precisions(pricing, by_code, by_id, None if base is None else str(base))


def _places(told: object) -> int | None:
    """A number of decimals. Raises ValueError for what is none."""
    if told is not None and (isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= MOST):
        raise ValueError(f"a precision is {told!r:.60}")
    return told
