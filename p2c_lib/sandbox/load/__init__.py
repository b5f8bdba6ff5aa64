"""CSV files named after entity sets become the sandbox's rows, all of them or none."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.choices import FILE, read_choices
from p2c_lib.sandbox.load.fill import give_ids, put_rows
from p2c_lib.sandbox.load.table import read_table
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.settle import settle
from p2c_lib.sandbox.state import TRUTH, alone, open_store, wipe

__all__ = ["Loaded", "load"]

# Rows must be there before others name them.
_ORDER = (
    "organizations", "transactioncurrencies", "uomschedules", "uoms", "pricelevels", "products", "accounts",
    "contacts", "quotes", "quotedetails", "LegalEntities", "CustomerGroups", "Currencies", "AddressCountryRegions",
    "UnitsOfMeasure", "OperationalSites", "Warehouses", "LanguageCodes", "PaymentTerms", "DeliveryTerms",
    "DeliveryModesV2", "SellableReleasedProducts", "CustomersV2", "CDSContactPersons", "CDSSalesQuotationHeaders",
    "CDSSalesQuotationLines",
)  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows by entity set as the files brought them, the files, seconds."""

    rows: dict[str, int]
    files: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {**asdict(self), "files": list(self.files)}


def load(state: Path, folder: Path, *, reset: bool = False) -> Loaded:
    """Load every CSV file below ``folder`` into the sandbox in ``state``; with ``reset`` in place of what is there.

    A file is named after an entity set (``accounts.csv``); its header names columns, or ``lookup.keycolumn`` and
    ``lookup.table.keycolumn`` for a row named by its business key. A column takes what a request to this sandbox may
    send, and every line but empty ones is a row. Reference rows are made where they are missing, and
    the flags of the Prospect-to-cash solution are set. Raises SandboxError, with nothing loaded, that names file, line
    and column of what cannot be taken; and while a sandbox serves the state.
    """
    began = time.perf_counter()
    choices = read_choices(state / FILE)
    found = _files(folder)
    tables = [read_table(path, entity, folder, choices.finops) for entity, path in found]
    with alone(state), open_store(state) as store, store.write():
        if reset:
            wipe(store)
        add_references(store, currencies=(), units=())
        give_ids(tables)
        rows: dict[str, int] = {}
        for table in tables:
            rows[table.entity.set_name] = rows.get(table.entity.set_name, 0) + put_rows(store, table, tables, choices)
        settle(store)
    (state / TRUTH).unlink(missing_ok=True)
    names = tuple(table.name for table in tables)
    return Loaded(rows, names, round(time.perf_counter() - began, 2))


def _files(folder: Path) -> list[tuple[Entity, Path]]:
    if not folder.is_dir():
        raise SandboxError(f"'{folder}' is not a folder.", hint="Name the folder that holds the CSV files.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".csv")
    if not paths:
        raise SandboxError(f"There is no CSV file below '{folder}'.", hint="Files are named after entity sets.")
    sets = {name.lower(): one for system in ("sales", "finops") for name, one in _sets(system).items()}
    found = []
    for path in paths:
        entity = sets.get(path.stem.lower())
        if entity is not None and not path.is_file():
            kind = "a folder" if path.is_dir() else "no file"
            raise SandboxError(f"'{path}' is {kind}.", hint="Name folders otherwise, so that each CSV file is one.")
        if entity is None:
            raise UnknownName("CSV file", path.name, [f"{one.set_name}.csv" for one in sets.values()])
        found.append((entity, path))
    return sorted(found, key=lambda one: (_ORDER.index(one[0].set_name) if one[0].set_name in _ORDER else 99, one[1]))


def _sets(system: str) -> dict[str, Entity]:
    return entities("sales") if system == "sales" else entities("finops")
