"""The number a text names: digits with one point, a sign and an exponent where there are some, and nothing else.

Python's own reader takes more (``1_000``, digits of every script, ``infinity``) and Arrow's reads ``0x1F`` as 31. What
a column of a service holds is never written so; taken for a number, it would be another one than the person meant.
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["decimal_of"]

_NUMERAL = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,17})?"  # Decimal takes exponents of 18 digits
_WHOLE = re.compile(_NUMERAL)


def decimal_of(text: str) -> Decimal | None:
    """The exact number a text names, white space around it aside; None for text that names none.

    >>> decimal_of(" 12.50 "), decimal_of("1_000"), decimal_of("0x1F")
    (Decimal('12.50'), None, None)
    """
    text = text.strip()
    return Decimal(text) if _WHOLE.fullmatch(text) else None
