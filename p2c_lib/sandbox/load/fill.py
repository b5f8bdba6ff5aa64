"""Rows of a CSV file into the store: business keys become ids, what Sales fills in by itself is filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from p2c_lib.sandbox.choices import Choices
from p2c_lib.sandbox.collation import finops_key, key_of, sales_key
from p2c_lib.sandbox.dataverse.money import places
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.exact import decimal_of, rounded
from p2c_lib.sandbox.finops.related import MUST_BE_FILLED, RULES, Related, columns_of
from p2c_lib.sandbox.finops.rules import Rules
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.finops.values import empty
from p2c_lib.sandbox.load.table import CsvTable, Reference
from p2c_lib.sandbox.references import (
    FOUNDED,
    OWNED,
    RATES,
    UNIT_GROUP,
    Row,
    add_references,
    currency_guid,
    fixed_guid,
    price_list_guid,
)
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.store import Store, Value, quoted, sortable_guid, table

_BY_CODE = {"isocurrencycode", "name"}
_WHATEVER = {"sales": "whatever their case and accents", "finops": "whatever their case"}


def give_ids(tables: Iterable[CsvTable]) -> None:
    """Give every Sales row that brings none an id, so that rows can name one another whatever file comes first."""
    for csv in tables:
        if csv.entity.system == "sales":
            key = csv.entity.key[0]
            given = csv.values.get(key, [None] * len(csv.lines))
            csv.values[key] = [sortable_guid() if value is None else value for value in given]


def put_rows(store: Store, csv: CsvTable, tables: Sequence[CsvTable], choices: Choices) -> int:
    """Insert the file's rows; SandboxError names the line of a dangling reference or of a key that is there twice.

    ``tables`` are all files of the load: a row may name one of a file that is still to come.
    """
    columns = dict(csv.values)
    count = len(csv.lines)
    for title, reference, keys in csv.references:
        _resolve(store, csv, columns, title, reference, keys, tables)
    if csv.entity.system == "finops":
        _fill_keys(csv.entity, columns)
    _keys_once(store, csv, columns)
    if csv.entity.system == "finops":
        _must_be_filled(Rules(store, choices.finops), csv, columns)
        _related(store, csv, columns, choices.finops)
    else:
        _fill(csv.entity.set_name, columns, count)
        _round_money(Organisation(store, choices.sales), csv.entity, columns, count)
    names = [name for name in columns if name in csv.entity.columns or name.endswith("!type")]
    return store.insert_many(csv.entity, names, zip(*(columns[name] for name in names), strict=True)) if count else 0


# -- references ----------------------------------------------------------------------------------------------------


def _resolve(
    store: Store,
    csv: CsvTable,
    columns: dict[str, list[Value]],
    title: str,
    reference: Reference,
    keys: list[str],
    tables: Sequence[CsvTable],
) -> None:
    name, target = reference.column.name, reference.target
    _make_missing(store, reference, keys)
    known = _known(store, reference, tables)
    ids = columns.setdefault(name, [None] * len(keys))
    kinds = columns.setdefault(f"{name}!type", [None] * len(keys)) if len(reference.column.targets) > 1 else None
    for row, key in enumerate(keys):
        if not key:
            continue
        found = known.get(sales_key(key), ())
        if len(found) != 1:
            problem = f"no row of '{target.set_name}' has '{key}' in '{reference.key}'"
            if found:
                problem = f"{len(found)} rows of '{target.set_name}' have '{key}' in '{reference.key}'"
            raise csv.fault(row, title, f"{problem}.", f"Name a row that is there, or add it to {target.set_name}.csv.")
        if ids[row] is not None:
            raise csv.fault(row, title, f"'{name}' is given twice on this line.", "Leave one of the two empty.")
        ids[row] = next(iter(found))
        if kinds is not None:
            kinds[row] = target.name


def _known(store: Store, reference: Reference, tables: Sequence[CsvTable] = ()) -> dict[object, set[Value]]:
    """Ids by business key: of rows that are there, and of rows that the load brings."""
    target = reference.target
    sql = f"SELECT {quoted(reference.key)}, {quoted(target.key[0])} FROM {table(target)}"  # noqa: S608 - schema names
    pairs: list[tuple[Value, Value]] = store.connection.execute(sql).fetchall()
    for csv in tables:
        if csv.entity.set_name == target.set_name and reference.key in csv.values:
            pairs += zip(csv.values[reference.key], csv.values[target.key[0]], strict=True)
    known: dict[object, set[Value]] = {}
    for key, row_id in pairs:
        if key is not None:
            known.setdefault(sales_key(key), set()).add(row_id)
    return known


def _make_missing(store: Store, reference: Reference, keys: list[str]) -> None:
    """Currencies (with their price list), units and unit groups that the file names are made when they are missing."""
    wanted = {key.rstrip(" ") for key in keys if key}
    if reference.target.name == "transactioncurrency" and reference.key == "isocurrencycode":
        there = _known(store, reference)
        # A code that no country ever used stays unknown, and so a dangling reference.
        new = sorted(code for code in wanted if code in RATES and sales_key(code) not in there)
        add_references(store, currencies=new)
    elif reference.target.name == "uom" and reference.key == "name":
        there = _known(store, reference)
        add_references(store, currencies=(), units=sorted(n for n in wanted if sales_key(n) not in there))
    elif reference.target.name == "uomschedule" and reference.key == "name":
        there = _known(store, reference)
        for name in sorted(n for n in wanted if sales_key(n) not in there):
            row: Row = {"uomscheduleid": fixed_guid("uomschedule", name), "name": name, "statecode": 0, "statuscode": 1}
            store.insert(reference.target, row)


# -- keys ----------------------------------------------------------------------------------------------------------


def _keys_once(store: Store, csv: CsvTable, columns: dict[str, list[Value]]) -> None:
    keys = {"": csv.entity.key} | csv.entity.alternate_keys
    if csv.entity.set_name == "quotedetails":
        keys["line"] = ("quoteid", "sequencenumber")
    for key in keys.values():
        if not all(name in columns for name in key):
            continue
        listed = ", ".join(quoted(name) for name in key)
        sql = f"SELECT {listed} FROM {table(csv.entity)}"  # noqa: S608 - names of the schema
        forms = [_compared_by(csv.entity, name) for name in key]
        seen = {_folded(forms, row) for row in store.connection.execute(sql)}
        for row, values in enumerate(zip(*(columns[name] for name in key), strict=True)):
            if None in values:
                if csv.entity.system == "finops":
                    raise csv.fault(row, key[values.index(None)], "a key column is empty.", "Every row needs its key.")
                continue
            if (folded := _folded(forms, values)) in seen:
                shown = ", ".join(str(value) for value in values)
                hint = f"Keys are unique {_WHATEVER[csv.entity.system]}; load with reset to replace what is there."
                raise csv.fault(row, ", ".join(key), f"'{shown}' is there already.", hint)
            seen.add(folded)


def _fill_keys(entity: Entity, columns: dict[str, list[Value]]) -> None:
    """F&O has no null: a part of a key that may be empty holds the empty value."""
    for name in entity.key:
        column = entity.columns[name]
        if name in columns and column.required != "application":
            columns[name] = [empty(column) if value is None else value for value in columns[name]]


def _compared_by(entity: Entity, name: str) -> Callable[[object], object] | None:
    """What a column's value is compared by; None for an id, which is kept as it compares."""
    column = entity.columns.get(name)
    plain = column is not None and column.kind in {"guid", "lookup"}
    return None if plain else partial(key_of, entity.system)


def _folded(forms: Sequence[Callable[[object], object] | None], values: Sequence[Value]) -> tuple[object, ...]:
    return tuple(value if form is None else form(value) for form, value in zip(forms, values, strict=True))


def _must_be_filled(rules: Rules, csv: CsvTable, columns: dict[str, list[Value]]) -> None:
    """What F&O must have is there, or F&O has it from a related row, as the unit of a line from its product."""
    count = len(csv.lines)
    for name, _ in MUST_BE_FILLED.get(csv.entity.set_name, ()):
        values = columns.setdefault(name, [None] * count)
        for row in (row for row, value in enumerate(values) if value is None):
            sent = {column: given[row] for column, given in columns.items()}
            values[row] = rules.complete(csv.entity, sent).get(name)
            if values[row] is None:
                raise csv.fault(row, name, "it is empty.", "F&O takes no row without it: fill it in.")


def _related(store: Store, csv: CsvTable, columns: dict[str, list[Value]], switches: Switches) -> None:
    """What F&O's own rules look up must be there: each distinct value is looked up once."""
    companies = columns.get("dataAreaId")
    rules = list(RULES.get(csv.entity.set_name, ()))
    if companies is not None:
        rules.insert(0, Related("dataAreaId", "Company", "Legal entities", "LegalEntities", ("LegalEntityId",)))
    for rule in rules:
        if rule.column not in columns:
            continue
        known = _known_values(store, rule, columns_of(rule, switches))
        for row, value in enumerate(columns[rule.column]):
            company = companies[row] if companies is not None and rule.column != "dataAreaId" else None
            text = finops_key(str(value))
            if value is not None and (None, text) not in known and (company, text) not in known:
                problem = f"'{value}' is not found in {rule.set_name} ({', '.join(rule.related)})."
                raise csv.fault(row, rule.column, problem, f"Add it to {rule.set_name}.csv, or correct it.")


def _known_values(store: Store, rule: Related, looked_up: Sequence[str]) -> set[tuple[Value, object]]:
    related = entities("finops")[rule.set_name]
    company = quoted("dataAreaId") if related.companied else "NULL"
    known: set[tuple[Value, object]] = set()
    for column in looked_up:
        sql = f"SELECT {company}, {quoted(column)} FROM {table(related)}"  # noqa: S608 - names of the schema
        known |= {(area, finops_key(str(value))) for area, value in store.connection.execute(sql) if value is not None}
    return known


# -- what Sales fills in -------------------------------------------------------------------------------------------


def _fill(set_name: str, columns: dict[str, list[Value]], count: int) -> None:
    one = entities("sales")[set_name]
    if "statecode" in one.columns:
        state = columns.setdefault("statecode", [_FIRST_STATE.get(set_name, 0)] * count)
        first = one.columns["statecode"].default_status
        status = columns.get("statuscode", [None] * count)
        columns["statuscode"] = [first.get(int(a or 0)) if b is None else b for a, b in zip(state, status, strict=True)]
    fixed: dict[str, Value] = {"createdon": FOUNDED, "modifiedon": FOUNDED}
    fixed |= {name: value for name, value in OWNED.items() if name.split("!")[0] in one.columns}
    for name, column in one.columns.items():
        if column.default is not None:
            fixed.setdefault(name, int(column.default))
    for name, value in {**fixed, **_DEFAULTS.get(set_name, {})}.items():
        if name.split("!")[0] in one.columns:
            given = columns.get(name)
            columns[name] = [value] * count if given is None else [value if v is None else v for v in given]
    if "exchangerate" in one.columns and "transactioncurrencyid" in columns:
        rates = {currency_guid(code): rate for code, rate in RATES.items()}
        columns["exchangerate"] = [rates.get(str(v), 1.0) for v in columns["transactioncurrencyid"]]
    computed = _COMPUTED.get(set_name)
    if computed is not None:
        computed(columns, count)


def _round_money(organisation: Organisation, entity: Entity, columns: dict[str, list[Value]], count: int) -> None:
    """Money with the decimals that the column, the organisation or the row's currency has for it."""
    currencies = columns.get("transactioncurrencyid", [None] * count)
    for name, column in entity.columns.items():
        if column.kind != "money" or name not in columns:
            continue
        kept = {currency: places(organisation, column, currency) for currency in set(currencies)}
        columns[name] = [
            None if value is None else rounded(decimal_of(value), kept[currency])
            for value, currency in zip(columns[name], currencies, strict=True)
        ]


_FIRST_STATE = {"products": 0, "quotes": 0}
_DEFAULTS: Mapping[str, Mapping[str, Value]] = {
    "products": {"productstructure": 1, "quantitydecimal": 0, "defaultuomscheduleid": UNIT_GROUP},
    "quotes": {"revisionnumber": 0},
    "quotedetails": {"producttypecode": 1, "propertyconfigurationstatus": 2},
}


def _name_contacts(columns: dict[str, list[Value]], count: int) -> None:
    first, last = columns.get("firstname", [None] * count), columns["lastname"]
    given = columns.get("fullname", [None] * count)
    columns["fullname"] = [
        full or " ".join(str(part) for part in (a, b) if part) or None
        for full, a, b in zip(given, first, last, strict=True)
    ]


def _price_lists(columns: dict[str, list[Value]], count: int) -> None:
    lists = {currency_guid(code): price_list_guid(code) for code in RATES}
    given = columns.get("pricelevelid", [None] * count)
    currencies = columns["transactioncurrencyid"]
    columns["pricelevelid"] = [a or lists.get(str(b)) for a, b in zip(given, currencies, strict=True)]


_COMPUTED: Mapping[str, Callable[[dict[str, list[Value]], int], None]] = {
    "contacts": _name_contacts,
    "quotes": _price_lists,
}
