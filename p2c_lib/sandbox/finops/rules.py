"""F&O's business logic for the entities of the six tasks: related rows that must exist, defaults, computed values.

The texts are those of the Infolog, so that a client can be tested on how it reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from p2c_lib.sandbox.exact import decimal_of, divided, kept, rounded, wide
from p2c_lib.sandbox.finops.refusals import write_refused
from p2c_lib.sandbox.finops.related import MUST_BE_FILLED, RESTRICTED, RULES, Related, columns_of
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.store import Store, Value, matching, table

Row = dict[str, Value]


class Rules:
    """The business logic of one environment: what refuses a row, and what is added to it."""

    def __init__(self, store: Store, switches: Switches) -> None:
        self.store, self.switches = store, switches
        self.sets = entities("finops")

    def check(self, entity: Entity, row: Row, changed: Mapping[str, Value]) -> None:
        """Refuse a row that lacks a must-have or names what does not exist; only ``changed`` columns are looked up."""
        for rule in RULES.get(entity.set_name, ()):
            value = changed.get(rule.column)
            if value not in (None, "") and not self._found(rule, value, row):
                raise write_refused(
                    entity,
                    f"Warning: The value '{value}' in field '{rule.field}' is not found in the related table "
                    f"'{rule.table}'.",
                    f"Warning: validateField failed on field '{entity.aot}.{rule.column}'.",
                )
        for name, label in MUST_BE_FILLED.get(entity.set_name, ()):
            if row.get(name) in (None, ""):
                raise write_refused(
                    entity,
                    f"Warning: Field '{label}' must be filled in.",
                    f"Warning: validateWrite failed on data source '{entity.aot} ({entity.aot})'.",
                )
        extra = _EXTRA.get(entity.set_name)
        if extra is not None:
            extra(self, entity, row, changed)

    def _found(self, rule: Related, value: Value, row: Row) -> bool:
        related = self.sets[rule.set_name]
        columns = columns_of(rule, self.switches)
        company = {"dataAreaId": row.get("dataAreaId")} if related.companied else {}
        return any(self.store.exists(related, {**company, column: value}) for column in columns)

    def find(self, set_name: str, **key: Value) -> Row | None:
        """A row of another set, if it is there."""
        return self.store.find(self.sets[set_name], key)

    # -- defaults --------------------------------------------------------------------------------------------------

    def complete(self, entity: Entity, row: Row) -> Row:
        """The row of a create with what the entity adds: numbers from sequences, values of related rows."""
        filler = _FILLERS.get(entity.set_name)
        return {**filler(self, row), **{k: v for k, v in row.items() if v is not None}} if filler else row

    def number(self, name: str, form: str, start: int) -> str:
        """The next number of a sequence in its form, such as ``US-######``."""
        return form.format(self.store.next_number(f"finops.{name}", start))

    def manual_quotation_numbers(self, company: Value) -> bool:
        """Whether the quotation sequence of the company lets a caller give the number."""
        reference = self.find(
            "NumberSequencesV2References", DataTypeName="SalesQuotationId", ScopeType="DataArea", ScopeValue=company
        )
        if reference is None:
            return True
        code = reference["NumberSequenceCode"]
        sequence = self.find("SequenceV2Tables", NumberSequenceCode=code, ScopeType="DataArea", ScopeValue=company)
        return sequence is not None and sequence["Manual"] == "Yes"

    def delivery_date_control(self, company: Value) -> bool:
        """Whether delivery date control is on in the company's accounts receivable parameters."""
        found = self.find("AccountsReceivableParameters", dataAreaId=company)
        return found is not None and found["DeliveryDateControlType"] not in (None, "None")

    # -- computed --------------------------------------------------------------------------------------------------

    def written(self, entity: Entity, row: Row) -> None:
        """What follows from a write: a quotation's total is the sum of its lines, once it has lines."""
        if entity.set_name not in {"CDSSalesQuotationLines", "CDSSalesQuotationHeaders"}:
            return
        lines, headers = self.sets["CDSSalesQuotationLines"], self.sets["CDSSalesQuotationHeaders"]
        where, key = matching(lines, {name: row[name] for name in ("dataAreaId", "SalesQuotationNumber")})
        total = self.store.connection.execute(
            f'SELECT number_sum("LineAmount"), count(*) FROM {table(lines)} WHERE {where}',  # noqa: S608
            key,
        ).fetchone()
        if total[1]:
            amount = kept("finops", headers.columns["QuotationTotalAmount"], rounded(decimal_of(total[0] or 0), 4))
            self.store.connection.execute(
                f'UPDATE {table(headers)} SET "QuotationTotalAmount" = ? WHERE {where}',  # noqa: S608
                [amount, *key],
            )

    def unused(self, entity: Entity, row: Row) -> None:
        """Refuse the delete of a row that others name."""
        for set_name, column, own in RESTRICTED.get(entity.set_name, ()):
            company = {"dataAreaId": row["dataAreaId"]} if entity.companied else {}
            if row[own] is not None and self.store.exists(self.sets[set_name], {**company, column: row[own]}):
                raise write_refused(
                    entity,
                    f"Error: The record cannot be deleted; rows of {self.sets[set_name].label} depend on it.",
                    f"Warning: validateDelete failed on data source '{entity.aot} ({entity.aot})'.",
                    verb="Delete",
                )


def _fill_customer(rules: Rules, row: Row) -> Row:
    account = row.get("CustomerAccount") or rules.number("customer", "US-{:06d}", 1)
    party = row.get("PartyNumber") or rules.number("party", "{:09d}", 1)
    return {"CustomerAccount": account, "PartyNumber": party, "PartyType": "Organization", "InvoiceAccount": None}


def _fill_contact(rules: Rules, row: Row) -> Row:
    party = row.get("ContactPersonPartyNumber") or rules.number("party", "{:09d}", 1)
    return {"ContactPersonPartyNumber": party, "ContactPersonPartyType": "Person"}


def _fill_contact_v2(rules: Rules, row: Row) -> Row:
    party = row.get("ContactPersonPartyNumber") or rules.number("party", "{:09d}", 1)
    return {"ContactPersonPartyNumber": party, "AssociatedContactType": row.get("AssociatedContactType") or "Customer"}


def _fill_header(rules: Rules, row: Row) -> Row:
    filled: Row = {"SalesQuotationStatus": "Created", "AreTotalsCalculated": "No"}
    if not rules.manual_quotation_numbers(row["dataAreaId"]):
        filled["SalesQuotationNumber"] = _sequence_number(rules, row)
    account = row.get("RequestingCustomerAccountNumber")
    customer = rules.find("CustomersV2", dataAreaId=row["dataAreaId"], CustomerAccount=account) if account else None
    if customer is not None:
        filled["InvoiceCustomerAccountNumber"] = customer["InvoiceAccount"] or customer["CustomerAccount"]
        filled["CurrencyCode"] = customer["SalesCurrencyCode"]
        filled["LanguageId"] = customer["LanguageId"]
        names = (customer["PersonFirstName"], customer["PersonLastName"])
        filled["DeliveryAddressName"] = customer["OrganizationName"] or " ".join(str(n) for n in names if n)
    return filled


def _sequence_number(rules: Rules, row: Row) -> str:
    given = row.get("SalesQuotationNumber")
    if given:
        raise write_refused(
            rules.sets["CDSSalesQuotationHeaders"],
            f"Error: The number '{given}' cannot be used: the number sequence of quotations is not set to Manual.",
            "Warning: validateField failed on field 'SalesQuotationHeaderCDSEntity.SalesQuotationNumber'.",
        )
    return rules.number("quotation", "QUO-{:06d}", 1)


def _fill_line(rules: Rules, row: Row) -> Row:
    filled: Row = {"SalesQuotationStatus": "Created", "InventoryLotId": rules.number("lot", "{:08d}", 1)}
    company = row["dataAreaId"]
    header = rules.find(
        "CDSSalesQuotationHeaders", dataAreaId=company, SalesQuotationNumber=row.get("SalesQuotationNumber")
    )
    if header is not None:
        filled["CurrencyCode"] = header["CurrencyCode"]
    product = rules.find("SellableReleasedProducts", dataAreaId=company, ProductNumber=row.get("ProductNumber"))
    if product is not None:
        filled["ProductName"] = product["ProductName"]
        filled["SalesUnitSymbol"] = product["SalesUnitSymbol"]
        filled["SalesPrice"] = product["SalesPrice"]
    if not row.get("LineCreationSequenceNumber"):
        filled["LineCreationSequenceNumber"] = rules.number(f"line.{row.get('SalesQuotationNumber')}", "{:d}", 1)
    return filled


_FILLERS: Mapping[str, Callable[[Rules, Row], Row]] = {
    "CustomersV2": _fill_customer,
    "CDSContactPersons": _fill_contact,
    "CDSContactPersonsV2": _fill_contact_v2,
    "CDSSalesQuotationHeaders": _fill_header,
    "CDSSalesQuotationLines": _fill_line,
}


def _check_header(rules: Rules, entity: Entity, row: Row, _changed: Mapping[str, Value]) -> None:
    if row.get("RequestedShippingDate") is None and rules.delivery_date_control(row["dataAreaId"]):
        raise write_refused(
            entity,
            "Error: Requested ship date must be filled in while delivery date control is on.",
            f"Warning: validateWrite failed on data source '{entity.aot} ({entity.aot})'.",
        )


def _check_contact_v2(rules: Rules, entity: Entity, row: Row, changed: Mapping[str, Value]) -> None:
    if row.get("AssociatedContactType") != "Customer" or "AssociatedContactNumber" not in changed:
        return
    number = row["AssociatedContactNumber"]
    if rules.find("CustomersV2", dataAreaId=row["dataAreaId"], CustomerAccount=number) is None:
        raise write_refused(
            entity,
            f"Warning: The value '{number}' in field 'Associated contact' is not found in the related table "
            "'Customers'.",
            f"Warning: validateField failed on field '{entity.aot}.AssociatedContactNumber'.",
        )


def _compute_line(_rules: Rules, _entity: Entity, row: Row, changed: Mapping[str, Value]) -> None:
    quantity, price = _number(row, "RequestedSalesQuantity"), _number(row, "SalesPrice")
    total = _number(row, "TotalDiscountAmount")
    with wide():
        if "TotalDiscountAmount" in changed and quantity:
            # The sender's discount is for the whole line, F&O keeps it per unit; a charge holds what rounding leaves.
            each = row["LineDiscountAmount"] = divided(total, quantity, 2)
            row["FixedPriceCharges"] = rounded(quantity * each - total, 2)
        elif "LineDiscountAmount" in changed:
            total = row["TotalDiscountAmount"] = rounded(quantity * _number(row, "LineDiscountAmount"), 4)
        row["LineAmount"] = rounded(quantity * price - total, 4)


def _number(row: Row, name: str) -> Decimal:
    return decimal_of(row.get(name) or 0)


_EXTRA: Mapping[str, Callable[[Rules, Entity, Row, Mapping[str, Value]], None]] = {
    "CDSSalesQuotationHeaders": _check_header,
    "CDSContactPersonsV2": _check_contact_v2,
    "CDSSalesQuotationLines": _compute_line,
}
