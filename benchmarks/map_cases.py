"""One mapping of the accounts template in a process of its own: ``map_cases.py CASE FOLDER`` prints seconds.

Reading the file into the form a case works on is not timed; making 30 columns of the destination's types is.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq

FOLDER = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()
FILE = FOLDER / "accounts.parquet"
CONSTANTS = {
    "CustomerGroupId": "10",
    "PartyType": "Organization",
    "AddressLocationRoles": "Business",
    "SiteId": "1",
    "WarehouseId": "13",
    "LanguageId": "en-us",
    "IsExternallyMaintained": "Yes",
}
COPIES = {
    "PrimaryContactFax": "fax",
    "OrganizationNumberOfEmployees": "numberofemployees",
    "CustomerAccount": "accountnumber",
    "AddressCity": "address1_city",
    "SalesMemo": "description",
    "PrimaryContactEmail": "emailaddress1",
    "AddressStreet": "address1_line1",
    "PrimaryContactPhone": "telephone1",
    "AddressZipCode": "address1_postalcode",
    "AddressState": "address1_stateorprovince",
    "PrimaryContactURL": "websiteurl",
    "PartyNumber": "accountnumber",
    "DeliveryAddressStreet": "address2_line1",
    "DeliveryAddressCity": "address2_city",
    "DeliveryAddressZipCode": "address2_postalcode",
    "DeliveryAddressState": "address2_stateorprovince",
}
NAMES = {"OrganizationName": 100, "AddressDescription": 60, "DeliveryAddressDescription": 60}
PLACES = {"AddressCountryRegionISOCode": "address1_country", "DeliveryAddressCountryRegionISOCode": "address2_country"}


def ours() -> tuple[float, Any]:
    """The template itself, through ``map_frame``; metadata stands ready, as it does after the first read."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from datetime import UTC, datetime

    import pyarrow as pa

    from p2c_lib.frames import EntityFrame, Origin
    from p2c_lib.mapping import map_frame, template
    from p2c_lib.odata.schema import Column, EntitySchema

    made = template("accounts")
    types = {"CreditLimit": pa.decimal128(32, 6), "OrganizationNumberOfEmployees": pa.int32()}
    columns = {rule.to: Column(rule.to, "", types.get(rule.to, pa.string())) for rule in made.fields}

    schema = EntitySchema("finops", "CustomersV2", "CustomersV2", ("CustomerAccount",), columns)
    ready = SimpleNamespace(schema=lambda _: schema)
    session: Any = SimpleNamespace(client=lambda _: ready, reference=lambda *_: ())
    table = pq.read_table(FILE)
    origin = Origin("sales", "", "", None, "accounts", "", ("accountnumber",), datetime.now(UTC), None, True, "")
    source = EntityFrame(table, origin)
    map_frame(source.with_table(table.slice(0, 1_000)), made, session)
    start = time.perf_counter()
    mapped = map_frame(source, made, session)
    return time.perf_counter() - start, mapped.frame.table.drop_columns(["@row"])


def polars() -> tuple[float, Any]:
    """One lazy Polars expression a column, written by hand."""
    import polars as pl
    from map_data import COUNTRIES

    frame = pl.read_parquet(FILE)

    def country(name: str) -> pl.Expr:
        column = pl.col(name).str.strip_chars()
        return column.replace_strict(COUNTRIES, default=None, return_dtype=pl.String).fill_null("USA")

    def name(length: int) -> pl.Expr:
        return pl.col("name").str.strip_chars().str.slice(0, length)

    columns = [pl.col("creditlimit").cast(pl.Decimal(32, 6)).alias("CreditLimit")]
    columns += [pl.lit(value).alias(to) for to, value in CONSTANTS.items()]
    columns += [pl.col(came).alias(to) for to, came in COPIES.items()]
    currency = pl.col("transactioncurrencyid.isocurrencycode").str.strip_chars().str.to_uppercase()
    columns += [currency.alias("SalesCurrencyCode")]
    columns += [country(came).alias(to) for to, came in PLACES.items()]
    columns += [name(length).alias(to) for to, length in NAMES.items()]
    frame.head(1_000).lazy().select(columns).collect()
    start = time.perf_counter()
    made = frame.lazy().select(columns).collect()
    return time.perf_counter() - start, made.to_arrow()


def pandas() -> tuple[float, Any]:
    """Plain pandas on columns of its ``str`` type, method by method."""
    import pandas as pd
    import pyarrow as pa
    from map_data import COUNTRIES

    frame = pq.read_table(FILE).to_pandas()
    texts = [name for name in frame.columns if name not in {"creditlimit", "numberofemployees"}]
    frame = frame.astype(dict.fromkeys(texts, "str"))
    start = time.perf_counter()
    made = pd.DataFrame({"CreditLimit": frame["creditlimit"]})
    for to, value in CONSTANTS.items():
        made[to] = pd.Series([value] * len(frame), dtype="str")
    for to, came in COPIES.items():
        made[to] = frame[came]
    made["SalesCurrencyCode"] = frame["transactioncurrencyid.isocurrencycode"].str.strip().str.upper()
    for to, came in PLACES.items():
        made[to] = frame[came].str.strip().map(COUNTRIES).astype("str").fillna("USA")
    for to, length in NAMES.items():
        made[to] = frame["name"].str.strip().str[:length]
    return time.perf_counter() - start, pa.Table.from_pandas(made, preserve_index=False)


def check(table: Any) -> dict[str, int]:
    """Bytes of text and blanks a column: two cases that did the same work have the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for name in sorted(table.column_names):
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or "view" in str(column.type):
            length = pc.sum(pc.binary_length(column.cast(pa.large_string()))).as_py()
            found[name] = int(length or 0) + 31 * int(column.null_count)
        else:
            found[name] = int(pc.sum(column.cast(pa.float64())).as_py())
    return found


if __name__ == "__main__":
    seconds, table = {"ours": ours, "polars": polars, "pandas": pandas}[sys.argv[1]]()
    print(json.dumps({"seconds": seconds, "check": check(table)}))
