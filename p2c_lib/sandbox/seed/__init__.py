"""The sandbox's default company: made up, the same for the same seed, mostly clean, with every defect written down."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from p2c_lib.errors import SandboxError
from p2c_lib.sandbox.references import ORGANISATION, RATES, UNIT_GROUP, UNITS, Row, add_references
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.seed.company import Company, Sizes, build
from p2c_lib.sandbox.seed.defects import plant
from p2c_lib.sandbox.seed.finops import customer_of_account
from p2c_lib.sandbox.seed.planter import Defect
from p2c_lib.sandbox.seed.pools import pools
from p2c_lib.sandbox.seed.sales import Maker, columns_of
from p2c_lib.sandbox.seed.sales_defects import pallet_unit
from p2c_lib.sandbox.settle import settle
from p2c_lib.sandbox.state import TRUTH, alone, open_store, wipe
from p2c_lib.sandbox.store import Store, Value

__all__ = ["Defect", "Seeded", "plant_company", "seed"]

RANDOM_SEED = 20170701
FIRST = 1000
# Rows that are held in memory and may carry defects; what is asked for beyond them is clean and streamed.
CORE = 3000


@dataclass(frozen=True)
class Seeded:
    """What a seed made: rows by entity set, defects by kind, seconds."""

    rows: dict[str, int]
    defects: dict[str, int]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)


def seed(
    state: Path,
    *,
    accounts: int = 300,
    contacts: int | None = None,
    products: int | None = None,
    quotes: int | None = None,
    random_seed: int = RANDOM_SEED,
) -> Seeded:
    """Make the company in ``state``, in place of what was there, and write ``truth.json`` beside it.

    Raises SandboxError for a size below 1 account, and while a sandbox serves the state. All rows are written or none.
    """
    with alone(state):
        return plant_company(state, Sizes.of(accounts, contacts, products, quotes), random_seed)


def plant_company(state: Path, sizes: Sizes | None = None, random_seed: int = RANDOM_SEED) -> Seeded:
    """What `seed` does, for a caller that holds the state already."""
    sizes = sizes or Sizes.of()
    for name, size in asdict(sizes).items():
        least = 1 if name in {"accounts", "products"} else 0
        if size < least:
            raise SandboxError(f"{name} cannot be {size}.", hint=f"Use a whole number from {least}.")
    began = time.perf_counter()
    drawn = pools(random_seed)
    maker = Maker(drawn, random_seed)
    core = Sizes(min(sizes.accounts, CORE), sizes.contacts, sizes.products, sizes.quotes)
    company = build(maker, drawn, core)
    defects = plant(company)
    with open_store(state) as store, store.write():
        wipe(store)
        add_references(store, currencies=RATES, units=[name for name, *_ in UNITS])
        _write(store, company, range(core.accounts, sizes.accounts))
        settle(store)
        # The solution's own numbers go on where the made ones end.
        store.next_number("sales:account", FIRST, sizes.accounts)
        store.next_number("sales:contact", FIRST, sizes.contacts or 1)
        rows = {one.set_name: store.count(one) for one in store.entities if store.count(one)}
    (state / TRUTH).write_text(json.dumps([asdict(one) for one in defects], indent=1), "utf-8")
    kinds: dict[str, int] = {}
    for one in defects:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    return Seeded(rows, kinds, round(time.perf_counter() - began, 2))


def _write(store: Store, company: Company, more: range) -> None:
    sales, finops = entities("sales"), entities("finops")
    unit = {**pallet_unit(), "uomscheduleid": UNIT_GROUP, "organizationid": ORGANISATION}
    store.insert(sales["uoms"], unit)
    _put(store, sales["products"], company.products)
    _put_accounts(store, company, more)
    _put(store, sales["contacts"], company.contacts)
    _put(store, sales["quotes"], company.quotes)
    _put(store, sales["quotedetails"], company.lines)
    _put(store, finops["SellableReleasedProducts"], company.released)
    _put(store, finops["CDSContactPersons"], company.persons)
    _put(store, finops["CDSSalesQuotationHeaders"], company.quotations)
    _put(store, finops["CDSSalesQuotationLines"], company.quotation_lines)


def _put_accounts(store: Store, company: Company, more: range) -> None:
    """The accounts and their customers; those beyond the core are made, written and forgotten one by one."""
    sales, finops = entities("sales"), entities("finops")
    large = len(more) > 50_000
    touched = [sales["accounts"], finops["CustomersV2"]]
    if large:
        for entity in touched:
            store.drop_indexes(entity)
    _put(store, sales["accounts"], company.accounts)
    _put(store, finops["CustomersV2"], company.customers)
    if more:
        _stream(store, company, more)
    if large:
        for entity in touched:
            store.create_indexes(entity)


def _stream(store: Store, company: Company, more: range) -> None:
    sales, finops = entities("sales"), entities("finops")
    made = columns_of(company.accounts)
    there = columns_of(company.customers)
    for start in range(more.start, more.stop, 20_000):
        rows = [company.maker.account(number) for number in range(start, min(start + 20_000, more.stop))]
        store.insert_many(sales["accounts"], made, _tuples(rows, made))
        known = [customer_of_account(row, company.pools) for row in rows[: len(rows) * 6 // 10]]
        store.insert_many(finops["CustomersV2"], there, _tuples(known, there))


def _put(store: Store, entity: Entity, rows: Sequence[Row]) -> None:
    if rows:
        columns = columns_of(rows)
        store.insert_many(entity, columns, _tuples(rows, columns))


def _tuples(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[tuple[Value, ...]]:
    return (tuple(map(row.get, columns)) for row in rows)
