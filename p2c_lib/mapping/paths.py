"""Source paths of a template: a column, a column behind a lookup, or one behind a lookup to several tables."""

from __future__ import annotations

import re

__all__ = ["columns_of"]

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
PLAIN = re.compile(rf"{NAME}(\.{NAME}){{0,2}}")
POLYMORPHIC = re.compile(rf"(?P<lookup>{NAME})(?P<targets>(\.{NAME}\({NAME}\))+)")
TARGET = re.compile(rf"\.(?P<table>{NAME})\((?P<column>{NAME})\)")


def columns_of(path: str) -> tuple[str, ...]:
    """The columns a path reads; of several, the first that has a value counts.

    Raises ``ValueError`` for text that is no path. The spelling with parentheses is Data Integrator's.

    >>> columns_of("transactioncurrencyid.isocurrencycode")
    ('transactioncurrencyid.isocurrencycode',)
    >>> columns_of("customerid.Account(accountnumber).Contact(msdynce_contactnumber)")
    ('customerid.account.accountnumber', 'customerid.contact.msdynce_contactnumber')
    """
    if PLAIN.fullmatch(path):
        return (path,)
    found = POLYMORPHIC.fullmatch(path)
    if not found:
        raise ValueError(f"'{path}' is no path")
    lookup = found["lookup"]
    targets = TARGET.finditer(found["targets"])
    return tuple(f"{lookup}.{target['table'].lower()}.{target['column']}" for target in targets)
