"""How many decimals a service keeps of money that is written: by the column, the organisation or the row's currency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from p2c_lib.errors import NoRoute, NotAuthorised, NotFound, Rejected
from p2c_lib.odata.schema import Column

__all__ = ["Precisions", "read_precisions"]

ORGANISATION = "/api/data/v9.2/organizations?$select=pricingdecimalprecision"
CURRENCIES = "/api/data/v9.2/transactioncurrencies?$select=isocurrencycode,currencyprecision"


@dataclass(frozen=True)
class Precisions:
    """The decimals of prices in an organisation and of each of its currencies, by ISO code; None where it is unknown.

    >>> Precisions(2, {"USD": 2, "JPY": 0}).kept(Column("price", "Edm.Decimal", None, places=4, places_by="currency"))
    2
    """

    pricing: int | None = None
    currencies: Mapping[str, int] = field(default_factory=dict)

    def kept(self, column: Column, currency: str | None = None) -> int | None:
        """The decimals that are kept of a column's value in a row of this currency; None where nobody says.

        Without a currency they are those of the currency with the most: nothing that may be kept is rounded away.
        """
        if column.places_by == "organisation":
            return self.pricing
        if column.places_by == "currency":
            return self.currencies.get(currency or "", max(self.currencies.values(), default=None))
        return column.places


def read_precisions(get: Callable[[str, str], dict[str, Any]]) -> Precisions:
    """What the organisation says; where it may not be read, nothing is known and nothing is rounded before sending."""
    try:
        organisations = get(ORGANISATION, "organizations").get("value") or []
        currencies = get(CURRENCIES, "transactioncurrencies").get("value") or []
    except (NotAuthorised, NoRoute, NotFound, Rejected):
        return Precisions()
    pricing = next((row.get("pricingdecimalprecision") for row in organisations), None)
    known = {str(row["isocurrencycode"]): row.get("currencyprecision") for row in currencies}
    return Precisions(pricing, {code: places for code, places in known.items() if places is not None})
