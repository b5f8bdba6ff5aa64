"""Rows of Sales accounts for the race of mappings: shops of twenty countries, named in several languages or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

COUNTRIES = {
    "United States": "USA",
    "USA": "USA",
    "Canada": "CAN",
    "Deutschland": "DEU",
    "Germany": "DEU",
    "France": "FRA",
    "Norge": "NOR",
    "Norway": "NOR",
    "United Kingdom": "GBR",
    "UK": "GBR",
    "Australia": "AUS",
    "Japan": "JPN",
    "Italia": "ITA",
    "España": "ESP",
    "Sverige": "SWE",
    "Danmark": "DNK",
    "Suomi": "FIN",
    "Brasil": "BRA",
    "Mexico": "MEX",
    "New Zealand": "NZL",
}
CURRENCIES = ["usd", "EUR", "Cad", "NOK", "GBP", "AUD"]


def write_accounts(folder: Path, rows: int) -> Path:
    """A Parquet file of the accounts template's source columns; the same for the same number of rows."""
    rng = np.random.default_rng(7)
    number = pa.array(np.arange(rows)).cast(pa.string())
    columns = {
        "accountnumber": _joined("ACC-", number),
        "creditlimit": pa.array(rng.integers(0, 10**7, rows)).cast(pa.decimal128(21, 2)),
        "fax": _some(rng, _joined("+1 555 ", number), 0.7),
        "numberofemployees": pa.array(rng.integers(0, 5_000, rows).astype(np.int32)),
        "transactioncurrencyid.isocurrencycode": _of(rng, CURRENCIES, rows),
        "address1_city": _of(rng, [f"City {n}" for n in range(3_000)], rows),
        "address1_country": _some(rng, _of(rng, list(COUNTRIES), rows), 0.05),
        "description": _some(rng, _joined("Met at the fair, shop number ", number), 0.8),
        "emailaddress1": _joined("shop", number, "@example.com"),
        "address1_line1": _joined("", number, " Long Street"),
        "telephone1": _joined("+47 ", number),
        "address1_postalcode": _of(rng, [f"{n:05d}" for n in range(20_000)], rows),
        "address1_stateorprovince": _of(rng, [f"State {n}" for n in range(60)], rows),
        "websiteurl": _some(rng, _joined("https://example.com/", number), 0.5),
        "name": _joined(" Bicycle works and outdoor equipment of the old town, branch number ", number, " "),
        "address2_line1": _some(rng, _joined("", number, " Back Lane"), 0.6),
        "address2_city": _some(rng, _of(rng, [f"City {n}" for n in range(3_000)], rows), 0.6),
        "address2_country": _some(rng, _of(rng, list(COUNTRIES), rows), 0.6),
        "address2_postalcode": _some(rng, _of(rng, [f"{n:05d}" for n in range(20_000)], rows), 0.6),
        "address2_stateorprovince": _some(rng, _of(rng, [f"State {n}" for n in range(60)], rows), 0.6),
    }
    path = folder / "accounts.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def _joined(before: str, middle: pa.Array, after: str = "") -> pa.Array:
    return pc.binary_join_element_wise(before, middle, after, "")


def _of(rng: np.random.Generator, values: list[str], rows: int) -> pa.Array:
    return pa.array(values).take(pa.array(rng.integers(0, len(values), rows)))


def _some(rng: np.random.Generator, values: pa.Array, blank: float) -> pa.Array:
    return pc.if_else(pa.array(rng.random(len(values)) < blank), pa.scalar(None, pa.string()), values)
