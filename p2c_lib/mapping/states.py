"""States and provinces by country: names and the codes that go on a letter.

The list holds the subdivisions of the countries that write them in addresses by code: ISO 3166-2 for the United
States, Canada, Australia, Germany, Austria and the nations of the United Kingdom, department numbers for France.
Names in German are listed beside English ones. Any other country's states are looked up in F&O's ``AddressStates``.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from importlib import resources

__all__ = ["state_code_of", "state_codes"]


def state_code_of(text: str, country: str) -> str | None:
    """The code of a state of a country (alpha-2) named by name or code; None if unknown.

    >>> state_code_of("hauts de seine", "FR"), state_code_of("wa", "US"), state_code_of("WA", "DE")
    ('92', 'WA', None)
    """
    return _states(country).get(_folded(text))


def state_codes() -> list[str]:
    """The codes of all states of all countries."""
    return [code for _, code, _ in _rows()]


@cache
def _states(country: str) -> dict[str, str]:
    own = [(code, name) for home, code, name in _rows() if home == country]
    return {_folded(name): code for code, name in own} | {_folded(code): code for code, _ in own}


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    file = resources.files("p2c_lib.mapping") / "states.csv"
    lines = csv.reader(file.read_text(encoding="utf-8").splitlines()[1:])
    return tuple((country, code, name) for country, code, name in lines)


def _folded(text: str) -> str:
    """Lower case, without accents; anything between words is one space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.sub(r"[^0-9a-z]+", " ", letters).strip()
