"""Planting a defect: picking a row that has none yet, spoiling it, and writing down what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2c_lib.sandbox.references import (
    Row,
    fixed_guid,
)
from p2c_lib.sandbox.seed.company import Company

PALLET = fixed_guid("uom", "Pallet")


@dataclass(frozen=True)
class Defect:
    """One planted fact: ``key`` is the row's business key, composite parts joined with ``|``."""

    kind: str
    system: str
    entity: str
    key: str
    column: str
    detail: str


@dataclass
class Planter:
    """Plants defects into rows that have none yet, and keeps the list of them."""

    company: Company
    planted: list[Defect] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    def pick(self, rows: Sequence[Row], count: int, fits: Callable[[Row], bool] = lambda _row: True) -> list[Row]:
        """The first ``count`` untouched rows that fit; fewer when there are not so many."""
        found = [row for row in rows if id(row) not in self.taken and fits(row)][:count]
        self.taken.update(id(row) for row in found)
        return found

    def note(self, kind: str, entity: str, row: Row, column: str, detail: str) -> None:
        """Write down what was done to a row."""
        system, keys = KEYS[entity]
        key = "|".join(_key_text(row.get(name)) for name in keys)
        self.planted.append(Defect(kind, system, entity, key, column, detail))


KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "accounts": ("sales", ("accountnumber",)),
    "contacts": ("sales", ("msdynce_contactnumber",)),
    "products": ("sales", ("productnumber",)),
    "quotes": ("sales", ("quotenumber",)),
    "quotedetails": ("sales", ("@quote", "sequencenumber")),
    "CustomersV2": ("finops", ("CustomerAccount",)),
    "CDSContactPersons": ("finops", ("ContactPersonPartyNumber", "AssociatedPartyNumber")),
    "SellableReleasedProducts": ("finops", ("ProductNumber",)),
    "CDSSalesQuotationHeaders": ("finops", ("SalesQuotationNumber",)),
    "CDSSalesQuotationLines": ("finops", ("SalesQuotationNumber", "LineCreationSequenceNumber")),
}


def _key_text(value: object) -> str:
    return "" if value is None else str(value)


def put(planter: Planter, kind: str, entity: str, rows: Sequence[Row], column: str, values: Sequence[object]) -> None:
    """Put values into a column of rows, one after another, and note each."""
    for row, value in zip(rows, values, strict=False):
        before, row[column] = row.get(column), value  # type: ignore[assignment]
        planter.note(kind, entity, row, column, f"{before!r} became {value!r}")


def change(
    planter: Planter, kind: str, entity: str, rows: Sequence[Row], column: str, form: Callable[[str], object]
) -> None:
    """Put a changed form of its own value into a column of rows, and note each."""
    put(planter, kind, entity, rows, column, [form(str(row[column])) for row in rows])


def lookalike(name: str) -> str:
    """The name with Cyrillic letters that look Latin."""
    return name.translate(str.maketrans("aeo", "аео"))
