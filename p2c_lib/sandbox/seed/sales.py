"""Rows of a made-up company as Sales holds them, clean."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from p2c_lib.sandbox.references import OWNED, RATES, UNIT_GROUP, Row, currency_guid, price_list_guid, unit_guid
from p2c_lib.sandbox.seed.pools import DEPARTMENTS, JOBS, LEGAL, LOREM, Land, Pools, digits

_BEGINNING = datetime(2024, 1, 8, 8, tzinfo=UTC)
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class Maker:
    """Makes rows one after another; the same seed makes the same rows.

    A row's names that begin with ``@`` are not columns: what a related row of the other system is made from.
    """

    def __init__(self, pools: Pools, random_seed: int) -> None:
        self.pools = pools
        self.rng = random.Random(random_seed)  # noqa: S311 - made-up data, to be made again
        self._weights = list(accumulate(pools.weights))

    def land(self) -> Land:
        return self.rng.choices(self.pools.lands, cum_weights=self._weights)[0]

    def guid(self, kind: int, number: int) -> str:
        """An id that tells the kind of row and its number; ascending like a server's."""
        head = f"{kind:04x}{number:08x}"
        return f"{head[:8]}-{head[8:]}-4000-8000-{self.rng.getrandbits(48):012x}"

    def number(self, prefix: str, number: int) -> str:
        """A number in the solution's form, such as ``ACC-01000-BVRCPS``."""
        return f"{prefix}-{number + 1000:05d}-{''.join(self.rng.choices(_LETTERS, k=6))}"

    def stamps(self) -> Row:
        made = _BEGINNING + timedelta(minutes=self.rng.randrange(900_000))
        moved = made + timedelta(minutes=self.rng.randrange(100_000))
        return {"createdon": f"{made.isoformat()[:19]}Z", "modifiedon": f"{moved.isoformat()[:19]}Z"}

    def address(self, land: Land, which: str) -> Row:
        rng = self.rng
        return {
            f"{which}_line1": f"{rng.randrange(1, 400)} {rng.choice(land.streets)}",
            f"{which}_city": rng.choice(land.cities),
            f"{which}_stateorprovince": rng.choice(land.states),
            f"{which}_postalcode": digits(land.postcode, rng),
            f"{which}_country": land.name,
        }

    def account(self, index: int) -> Row:
        """A company that buys."""
        rng, land = self.rng, self.land()
        names = self.pools.companies
        name = names[index % len(names)]
        if index >= len(names):
            name = f"{name} {rng.choice(land.cities)} {index // len(names)}"
        host = "".join(c for c in name.lower() if c.isalnum())[:30]
        row: Row = {
            "accountid": self.guid(0xA000, index),
            "accountnumber": self.number("ACC", index),
            "name": f"{name} {LEGAL[land.iso3]}",
            "telephone1": digits(land.phone, rng),
            "emailaddress1": f"info@{host}.example",
            "websiteurl": f"https://www.{host}.example",
            "creditlimit": float(rng.randrange(1, 400) * 250),
            "numberofemployees": rng.randrange(2, 900),
            "revenue": float(rng.randrange(10, 9000) * 1000),
            "customertypecode": 3,
            "transactioncurrencyid": currency_guid(land.currency),
            "exchangerate": RATES[land.currency],
            "statecode": 0,
            "statuscode": 1,
            **self.address(land, "address1"),
            **OWNED,
            **self.stamps(),
        }
        if rng.random() < 0.3:
            row["fax"] = digits(land.phone, rng)
        if rng.random() < 0.25:
            row["description"] = rng.choice(LOREM)
        if rng.random() < 0.4:
            row |= self.address(land, "address2")
        return {**row, "@land": land.iso3, "@currency": land.currency}

    def contact(self, index: int, account: Row | None) -> Row:
        """A person, at an account or on their own."""
        rng = self.rng
        land = self.land() if account is None else next(x for x in self.pools.lands if x.iso3 == account["@land"])
        man = rng.random() < 0.5
        first, last = rng.choice(self.pools.men if man else self.pools.women), rng.choice(self.pools.family)
        mail = "".join(c for c in f"{first}.{last}".lower() if c.isascii() and (c.isalnum() or c == "."))
        row: Row = {
            "contactid": self.guid(0xC000, index),
            "msdynce_contactnumber": self.number("CON", index),
            "firstname": first,
            "lastname": last,
            "fullname": f"{first} {last}",
            "emailaddress1": f"{mail}{index}@people.example",
            "telephone1": digits(land.phone, rng),
            "jobtitle": rng.choice(JOBS),
            "department": rng.choice(DEPARTMENTS),
            "gendercode": 1 if man else 2,
            "donotemail": int(rng.random() < 0.15),
            "transactioncurrencyid": currency_guid(land.currency),
            "exchangerate": RATES[land.currency],
            "statecode": 0,
            "statuscode": 1,
            **OWNED,
            **self.stamps(),
        }
        if rng.random() < 0.6:
            row["familystatuscode"] = rng.choice((1, 2, 2, 3, 4))
        if account is not None:
            row |= {"parentcustomerid": account["accountid"], "parentcustomerid!type": "account"}
        if account is None or rng.random() < 0.5:
            row |= self.address(land, "address1")
        return {
            **row,
            "@land": land.iso3,
            "@currency": land.currency,
            "@account": account["accountnumber"] if account else None,
        }

    def own_product(self, index: int) -> Row:
        """A product that was made in Sales and is not F&O's."""
        return {
            "productid": self.guid(0xB100, index),
            "productnumber": f"SVC-{index + 1:03d}",
            "name": f"Service package {index + 1}",
            "price": 90.0 + 15 * index,
            "currentcost": 60.0,
            "producttypecode": 3,
            "isstockitem": 0,
            "quantitydecimal": 2,
            "defaultuomid": unit_guid("Hour"),
            "msdynce_ismaintainedexternally": 0,
            **PRODUCT_DEFAULTS,
            **self.stamps(),
        }

    def quote(self, index: int, customer: Row, state: int) -> Row:
        """A quote for an account or a contact, in the customer's currency."""
        rng, currency = self.rng, str(customer["@currency"])
        person = "contactid" in customer
        wanted = _BEGINNING + timedelta(days=rng.randrange(300, 900))
        shipping = {f"shipto_{part}": customer.get(f"address1_{part}") for part in _ADDRESS}
        return {
            "quoteid": self.guid(0xD000, index),
            "quotenumber": self.number("QUO", index),
            "name": f"{rng.choice(('Offer', 'Season order', 'Refit', 'Trial order'))} {index + 1}",
            "customerid": customer["contactid" if person else "accountid"],
            "customerid!type": "contact" if person else "account",
            "transactioncurrencyid": currency_guid(currency),
            "exchangerate": RATES[currency],
            "pricelevelid": price_list_guid(currency),
            "revisionnumber": 0,
            "requestdeliveryby": f"{wanted:%Y-%m-%dT00:00:00Z}",
            "statecode": state,
            "statuscode": {0: 1, 1: 2, 2: 4, 3: 5}[state],
            "msdynce_ismaintainedexternally": 0,
            **shipping,
            **OWNED,
            **self.stamps(),
            "@currency": currency,
            "@customer": customer["msdynce_contactnumber" if person else "accountnumber"],
        }

    def line(self, number: int, quote: Row, sequence: int, product: Row | None) -> Row:
        """A line of a quote; without a product it is a write-in."""
        rng = self.rng
        price = 250.0 if product is None else float(product["price"] or 0)
        row: Row = {
            "quotedetailid": self.guid(0xE000, number),
            "quoteid": quote["quoteid"],
            "sequencenumber": sequence,
            "lineitemnumber": sequence,
            "quantity": float(rng.randrange(1, 25)),
            "priceperunit": round(price * RATES[str(quote["@currency"])], 2),
            "isproductoverridden": int(product is None),
            "ispriceoverridden": 0,
            "producttypecode": 1,
            "propertyconfigurationstatus": 2,
            "requestdeliveryby": quote["requestdeliveryby"],
            "uomid": unit_guid("Each") if product is None else product["defaultuomid"],
            "ownerid": quote["ownerid"],
            "ownerid!type": "systemuser",
            "createdon": quote["createdon"],
            "modifiedon": quote["modifiedon"],
            "@quote": quote["quotenumber"],
        }
        if product is None:
            row |= {"productdescription": "Assembly on site", "quotedetailname": "Assembly on site"}
        else:
            row |= {
                "productid": product["productid"],
                "quotedetailname": product["name"],
                "@product": product["productnumber"],
            }
        if rng.random() < 0.25:
            row["manualdiscountamount"] = round(price * 0.05, 2)
        return row


_ADDRESS = ("line1", "city", "stateorprovince", "postalcode", "country")
PRODUCT_DEFAULTS: Row = {
    "defaultuomscheduleid": UNIT_GROUP,
    "transactioncurrencyid": currency_guid("USD"),
    "exchangerate": 1.0,
    "productstructure": 1,
    "statecode": 0,
    "statuscode": 1,
}


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns that any of the rows has, in order of first appearance; without those that are not stored."""
    return [name for name in dict.fromkeys(name for row in rows for name in row) if not name.startswith("@")]
