"""What is looked at beside the tasks: columns that name rows of another set; sets in which a party may stand twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2c_lib.frames import EntityQuery
from p2c_lib.reconcile.duplicates import Likeness

__all__ = ["PARTIES", "REFERENCES", "Party", "Reference"]


@dataclass(frozen=True)
class Reference:
    """A column of an entity set, and the column of another that it names rows of."""

    title: str
    child: EntityQuery
    column: str
    parent: EntityQuery
    parent_column: str
    blank: bool = False


@dataclass(frozen=True)
class Party:
    """An entity set in which the same party may stand twice, and which of its columns say who it is."""

    app: str
    entity: str
    key: str
    likeness: Likeness
    filter: str | None = None

    @property
    def query(self) -> EntityQuery:
        """The columns that tell parties apart, and the key."""
        of = self.likeness
        columns = tuple(dict.fromkeys((self.key, *of.name, *of.email, *of.phone, *of.address)))
        return EntityQuery(self.app, self.entity, columns, (self.key,), self.filter)


def _query(app: str, entity: str, key: Sequence[str], column: str, where: str | None = None) -> EntityQuery:
    return EntityQuery(app, entity, tuple(dict.fromkeys((*key, column))), tuple(key), where)


REFERENCES = (
    Reference(
        "Sales contacts that neither buy nor work for an account",
        _query(
            "sales",
            "contacts",
            ["msdynce_contactnumber"],
            "parentcustomerid.account.accountnumber",
            "msdynce_isactivecustomer eq false",
        ),
        "parentcustomerid.account.accountnumber",
        _query("sales", "accounts", ["accountnumber"], "accountnumber"),
        "accountnumber",
        blank=True,
    ),
    Reference(
        "Sales quote lines with a product that F&O cannot sell",
        _query("sales", "quotedetails", ["quoteid.quotenumber", "sequencenumber"], "productid.productnumber"),
        "productid.productnumber",
        _query("finops", "SellableReleasedProducts", ["ProductNumber"], "ProductNumber"),
        "ProductNumber",
    ),
    Reference(
        "F&O contact persons without their customer",
        _query("finops", "CDSContactPersons", ["ContactPersonPartyNumber"], "AssociatedPartyNumber"),
        "AssociatedPartyNumber",
        _query("finops", "CustomersV2", ["CustomerAccount"], "PartyNumber"),
        "PartyNumber",
        blank=True,
    ),
    Reference(
        "F&O quotations without their customer",
        _query("finops", "CDSSalesQuotationHeaders", ["SalesQuotationNumber"], "RequestingCustomerAccountNumber"),
        "RequestingCustomerAccountNumber",
        _query("finops", "CustomersV2", ["CustomerAccount"], "CustomerAccount"),
        "CustomerAccount",
        blank=True,
    ),
    Reference(
        "F&O quotation lines without their header",
        _query(
            "finops",
            "CDSSalesQuotationLines",
            ["SalesQuotationNumber", "LineCreationSequenceNumber"],
            "SalesQuotationNumber",
        ),
        "SalesQuotationNumber",
        _query("finops", "CDSSalesQuotationHeaders", ["SalesQuotationNumber"], "SalesQuotationNumber"),
        "SalesQuotationNumber",
        blank=True,
    ),
)

PARTIES = {
    "accounts": Party(
        "sales",
        "accounts",
        "accountnumber",
        Likeness(("name",), ("emailaddress1",), ("telephone1",), ("address1_line1", "address1_city")),
    ),
    "contacts": Party(
        "sales",
        "contacts",
        "msdynce_contactnumber",
        Likeness(("firstname", "lastname"), ("emailaddress1",), ("telephone1",), ("address1_line1", "address1_city")),
    ),
    "customers": Party(
        "finops",
        "CustomersV2",
        "CustomerAccount",
        Likeness(
            ("OrganizationName",),
            ("PrimaryContactEmail",),
            ("PrimaryContactPhone",),
            ("AddressStreet", "AddressCity"),
        ),
        "PartyType eq 'Organization'",
    ),
}
