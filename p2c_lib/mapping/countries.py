"""Countries by code and by name in every language the CLDR knows, from Babel's data."""

from __future__ import annotations

from functools import cache
from typing import Literal

__all__ = ["alpha2_of", "country_names", "written"]

# Codes of countries that are no more, and territories that are no country.
WITHDRAWN = frozenset({"ANT", "BUR", "DDR", "FXX", "NTZ", "SCG", "SUN", "TMP", "YMD", "YUG", "ZAR"})
NO_COUNTRY = frozenset({"AC", "CP", "DG", "EU", "TA", "XA", "XB", "ZZ"})

# Asked before all the other languages, which take half a second to read.
WIDESPREAD = (
    "cs",
    "da",
    "de",
    "es",
    "fi",
    "fr",
    "hu",
    "it",
    "ja",
    "nb",
    "nl",
    "pl",
    "pt",
    "ro",
    "ru",
    "sv",
    "tr",
    "zh",
)

# What people type that the CLDR does not list as a name.
COMMON_NAMES = {
    "america": "US",
    "u.s.": "US",
    "u.s.a.": "US",
    "united states of america": "US",
    "england": "GB",
    "great britain": "GB",
    "northern ireland": "GB",
    "scotland": "GB",
    "wales": "GB",
    "u.k.": "GB",
    "uk": "GB",
    "holland": "NL",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "turkey": "TR",
    "swaziland": "SZ",
    "macedonia": "MK",
    "burma": "MM",
    "columbia": "CO",
    "ivory coast": "CI",
    "republic of ireland": "IE",
    "korea": "KR",
    "republic of korea": "KR",
    "russian federation": "RU",
    "viet nam": "VN",
    "uae": "AE",
}


def alpha2_of(text: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country named by code or by name in any language; None if unknown or ambiguous.

    >>> [alpha2_of(name) for name in ("Norge", "Norwegen", "Norway", "NOR", "no", "Narnia")]
    ['NO', 'NO', 'NO', 'NO', 'NO', None]
    """
    name = text.strip().casefold()
    if name.upper() in _alpha3():
        return name.upper()
    known = _by_alpha3().get(name.upper()) or COMMON_NAMES.get(name) or _english().get(name)
    return known or _names_in(WIDESPREAD).get(name) or _names_in(_all_languages()).get(name)


def written(alpha2: str, form: Literal["iso2", "iso3", "name"]) -> str:
    """A country in the wanted form.

    >>> written("NO", "iso3"), written("NO", "name")
    ('NOR', 'Norway')
    """
    if form == "iso2":
        return alpha2
    return _alpha3()[alpha2] if form == "iso3" else _territories("en")[alpha2]


def country_names() -> list[str]:
    """The English names of all countries that ``written`` knows."""
    return [_territories("en")[alpha2] for alpha2 in _alpha3()]


@cache
def _by_alpha3() -> dict[str, str]:
    from babel.core import get_global

    known = _territories("en").keys() - NO_COUNTRY
    aliases = get_global("territory_aliases").items()
    codes = {code: targets[0] for code, targets in aliases if len(code) == 3 and code.isalpha()}
    return {code: alpha2 for code, alpha2 in codes.items() if alpha2 in known and code not in WITHDRAWN}


@cache
def _alpha3() -> dict[str, str]:
    return {alpha2: code for code, alpha2 in _by_alpha3().items()}


@cache
def _territories(language: str) -> dict[str, str]:
    from babel import Locale

    names = Locale.parse(language).territories
    return {code: name for code, name in names.items() if len(code) == 2 and code.isalpha()}


@cache
def _english() -> dict[str, str]:
    return {name.casefold(): code for code, name in _territories("en").items() if code in _alpha3()}


@cache
def _all_languages() -> tuple[str, ...]:
    from babel import localedata

    return tuple(name for name in localedata.locale_identifiers() if "_" not in name)


@cache
def _names_in(languages: tuple[str, ...]) -> dict[str, str]:
    """Country by casefolded name; a name that two countries bear in two of the languages is left out."""
    meanings: dict[str, set[str]] = {}
    for language in languages:
        for code, name in _territories(language).items():
            if code in _alpha3():
                meanings.setdefault(name.casefold(), set()).add(code)
    return {name: codes.pop() for name, codes in meanings.items() if len(codes) == 1}
