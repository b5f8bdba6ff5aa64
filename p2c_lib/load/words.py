"""A service's refusal in the words of the trade: what is missing where, and what to do."""

from __future__ import annotations

import re

__all__ = ["in_words"]

_RELATED = re.compile(r"The value '(?P<value>[^']*)' in field '(?P<field>[^']*)' is not found in the related table")
_NO_ROW = re.compile(
    r"(?:Entity )?'(?P<entity>\w+)' With Ids? = (?P<value>[0-9a-fA-F-]{36}) Does(?: Not|n't) Exist", re.IGNORECASE
)
_REQUIRED = re.compile(r"Field '(?P<field>[^']+)' must be filled in")
_TOO_LONG = re.compile(
    r"A validation error occurred for (?P<field>\w++)(?:(?!A validation error).)*?"
    r"exceeded the maximum length of (?P<most>[\d,]++)"
    r"|The length of the '(?P<field2>\w++)' attribute (?:(?!The length of the).)*? "
    r"exceeded the maximum allowed length of '(?P<most2>[\d,]++)'"
)
_NO_LIST = re.compile(
    r"No valid price list in the currency of the externally maintained product "
    r"(?P<name>(?:(?!No valid price list).)*?) was found"
)


def in_words(said: str, company: str | None) -> str | None:
    """The reason of a refusal said plainly; None for one that is not known.

    >>> text = "The value '30' in field 'Customer group' is not found in the related table 'Customer groups'."
    >>> in_words(f"CustomersV2(CustomerAccount=C-1): {text}", "USMF")
    'customer group 30 does not exist in USMF'
    """
    place = company.upper() if company else "Sales"
    if found := _RELATED.search(said):
        return f"{found['field'].lower()} {found['value']} does not exist in {place}"
    if found := _NO_ROW.search(said):
        return f"{found['entity'].lower()} {found['value']} does not exist in {place}"
    if found := _REQUIRED.search(said):
        return f"{found['field'].lower()} is required in {place}"
    if found := _TOO_LONG.search(said):
        field, most = found["field"] or found["field2"], found["most"] or found["most2"]
        return f"{field} holds more than {most} characters"
    if found := _NO_LIST.search(said):
        return f"there is no price list in the currency of the product {found['name']}"
    return None
