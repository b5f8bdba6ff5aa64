"""The organisation behind the API: its store, its switches, who calls, and its currency."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from p2c_lib.sandbox.dataverse.crm_functions import Caller
from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.exact import decimal_of
from p2c_lib.sandbox.store import Store, Value, table

_SPACE = uuid.UUID("6d1f5f0e-0f4b-5b4e-9c55-0d1a5c1e9a10")


@dataclass(slots=True)
class Organisation:
    """One Sales organisation over a store; ``jobs`` are the bulk deletions of this run of the server."""

    store: Store
    switches: SalesSwitches = field(default_factory=SalesSwitches)
    jobs: dict[str, dict[str, Value]] = field(default_factory=dict)
    _caller: Caller | None = None

    def caller(self) -> Caller:
        """The application user that every token stands for: the first user of the organisation."""
        if self._caller is None:
            user = self._first("systemuser")
            unit = self._first("businessunit")
            organization = self._first("organization")
            if user and unit and organization:
                self._caller = Caller(user, unit, organization)
            return Caller(user or _fixed("user"), unit or _fixed("unit"), organization or _fixed("organization"))
        return self._caller

    def _first(self, name: str) -> str | None:
        entity = by_name(name)
        sql = f"SELECT {entity.key[0]} FROM {table(entity)} ORDER BY _id LIMIT 1"  # noqa: S608 - schema names
        row = self.store.connection.execute(sql).fetchone()
        return str(row[0]) if row else None

    def base_currency(self) -> str | None:
        """The organisation's currency: its own setting, else the first currency."""
        chosen = self.setting("basecurrencyid")
        return str(chosen) if chosen else self._first("transactioncurrency")

    def setting(self, name: str) -> Value:
        """What the organisation's own row says."""
        return self.store.value(by_name("organization"), name, {"organizationid": self.caller().organization})

    def exchange_rate(self, currency: Value) -> Decimal:
        """Units of the currency for one of the organisation's own; 1 when it is not known."""
        if currency is None:
            return Decimal(1)
        currencies = by_name("transactioncurrency")
        return decimal_of(self.store.value(currencies, "exchangerate", {"transactioncurrencyid": currency}) or 1)


def now() -> str:
    """The present moment in the stored form."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fixed(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name))
