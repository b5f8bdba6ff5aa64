"""Countries by code and by name in every language the CLDR knows, from Babel's data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal

__all__ = ["alpha2_of", "country_names", "written"]

# Codes of countries that are no more, and territories that are no country.
WITHDRAWN = frozenset({"ANT", "BUR", "DDR", "FXX", "NTZ", "SCG", "SUN", "TMP", "YMD", "YUG", "ZAR"})
USUAL = {"XKX": "XK"}  # Kosovo, as the World Bank and the European Union write it; ISO has none
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

# What people type, and the names of ISO 3166 where the CLDR's differ by more than signs, articles and order.
COMMON_NAMES = {
    "america": "US",
    "united states of america": "US",
    "england": "GB",
    "great britain": "GB",
    "united kingdom of great britain and northern ireland": "GB",
    "northern ireland": "GB",
    "scotland": "GB",
    "wales": "GB",
    "uk": "GB",
    "el": "GR",  # the European Union's code
    "hellas": "GR",
    "hellenic republic": "GR",
    "holland": "NL",
    "kingdom of the netherlands": "NL",
    "czech republic": "CZ",
    "slovak republic": "SK",
    "turkey": "TR",
    "swaziland": "SZ",
    "cape verde": "CV",
    "cabo verde": "CV",
    "macedonia": "MK",
    "former yugoslav republic of macedonia": "MK",
    "burma": "MM",
    "columbia": "CO",
    "ivory coast": "CI",
    "republic of ireland": "IE",
    "eire": "IE",
    "korea": "KR",
    "republic of korea": "KR",
    "democratic people's republic of korea": "KP",
    "russian federation": "RU",
    "republic of moldova": "MD",
    "viet nam": "VN",
    "lao people's democratic republic": "LA",
    "people's republic of china": "CN",
    "taiwan province of china": "TW",
    "province of china taiwan": "TW",
    "republic of china": "TW",
    "hong kong": "HK",
    "macau": "MO",
    "macao": "MO",
    "brunei darussalam": "BN",
    "timor leste": "TL",
    "east timor": "TL",
    "syrian arab republic": "SY",
    "islamic republic of iran": "IR",
    "uae": "AE",
    "state of palestine": "PS",
    "palestine": "PS",
    "vatican": "VA",
    "holy see": "VA",
    "plurinational state of bolivia": "BO",
    "bolivarian republic of venezuela": "VE",
    "united republic of tanzania": "TZ",
    "democratic republic of the congo": "CD",
    "drc": "CD",
    "republic of the congo": "CG",
    "federated states of micronesia": "FM",
    "malvinas falkland islands": "FK",
    "falkland islands malvinas": "FK",
    "british virgin islands": "VG",
    "virgin islands us": "VI",
    "us virgin islands": "VI",
    "french part saint martin": "MF",
    "saint martin": "MF",
    "dutch part sint maarten": "SX",
    "saint helena ascension and tristan da cunha": "SH",
    "bonaire sint eustatius and saba": "BQ",
    "svalbard and jan mayen islands": "SJ",
    "united states minor outlying islands": "UM",
    "pitcairn": "PN",
    "aland": "AX",
    "holy see vatican city state": "VA",
    "libyan arab jamahiriya": "LY",
    "한국": "KR",
    "south korea": "KR",
    "north korea": "KP",
    "faeroe islands": "FO",
}
FORMAL = re.compile(
    r"(?:(?:arab|bolivarian|co operative|cooperative|democratic|federal|federative|hashemite|islamic|oriental|peoples?|"
    r"plurinational|s|socialist|united) )*(?:emirate|grand duchy|kingdom|principality|republic|sultanate) of (.+)"
)
ENGLISH = ("the", "and")  # words of a name that some leave out
MARKS = ("\u0300", "\u036f")  # the accents of Latin, Greek and Cyrillic; marks of other scripts are letters
LETTERS = str.maketrans({"ı": "i", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th"})
BRACKETS = str.maketrans("([)]", ",,  ")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def alpha2_of(text: str) -> str | None:
    """The ISO 3166 alpha-2 code of a country named by code or by name in any language; None if unknown or ambiguous.

    Case, accents, signs, "the" and "and" do not count, and a name may be turned round (``Korea, Republic of``).

    >>> [alpha2_of(name) for name in ("Norge", "Norwegen", "Norway", "NOR", "no", "Narnia")]
    ['NO', 'NO', 'NO', 'NO', 'NO', None]
    """
    code = re.sub(r"[.\s]", "", text).upper() if text.isascii() else ""
    if code in _alpha3():
        return code
    if alpha2 := _by_alpha3().get(code):
        return alpha2
    names = _spellings(text)
    for known in _lists():
        if alpha2 := next((known[name] for name in names if name in known), None):
            return alpha2
    return None


def _lists() -> Iterator[dict[str, str]]:
    """The names by language, each list read when it is asked for: all languages together take half a second."""
    yield _common()
    yield _english()
    yield _names_in(WIDESPREAD)
    yield _names_in(_all_languages())


def _spellings(text: str) -> list[str]:
    """The name as it came, turned the right way (Gambia, The), and without what the state calls itself (Kingdom of)."""
    first, _, last = text.translate(BRACKETS).rstrip(", ").partition(",")
    names = [_folded(text), _folded(f"{last} {first}") if last else ""]
    formal = [found[1] for name in names if (found := FORMAL.fullmatch(name))]
    return [name for name in (*names, *formal) if name]


def _folded(text: str) -> str:
    """What two spellings of a name share: no case, accents and dots, one blank between words, no "the" and "and"."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS)
    letters = "".join(sign for sign in plain if not MARKS[0] <= sign <= MARKS[1])
    apart = re.sub(r"(?<=\w\w)\.", " ", letters).replace(".", "")  # St.Lucia, but U.S.A.
    words = re.sub(r"[^\w]+|_", " ", apart).split()
    return " ".join(word for word in words if word not in ENGLISH)


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
    return {code: alpha2 for code, alpha2 in codes.items() if alpha2 in known and code not in WITHDRAWN} | USUAL


@cache
def _alpha3() -> dict[str, str]:
    return {alpha2: code for code, alpha2 in _by_alpha3().items()}


@cache
def _territories(language: str) -> dict[str, str]:
    from babel import localedata

    names = localedata.load(language)["territories"]
    return {code: name for code, name in names.items() if len(code) == 2 and code.isalpha()}


@cache
def _english() -> dict[str, str]:
    return {_folded(name): code for code, name in _territories("en").items() if code in _alpha3()}


@cache
def _common() -> dict[str, str]:
    return {_folded(name): code for name, code in COMMON_NAMES.items()}


@cache
def _all_languages() -> tuple[str, ...]:
    """Every language, and every land's or script's form of one that has names of its own, such as pt_PT."""
    from babel import localedata

    every = localedata.locale_identifiers()
    own = (name for name in every if "_" in name and localedata.load(name, merge_inherited=False).get("territories"))
    return (*(name for name in every if "_" not in name), *own)


@cache
def _names_in(languages: tuple[str, ...]) -> dict[str, str]:
    """Country by folded name; a name that two countries bear in two of the languages is left out."""
    meanings: dict[str, set[str]] = {}
    for language in languages:
        for code, name in _territories(language).items():
            if code in _alpha3():
                for spelled in {name, name.translate(UMLAUTS) if language == "de" else name}:
                    meanings.setdefault(_folded(spelled), set()).add(code)
    return {name: codes.pop() for name, codes in meanings.items() if len(codes) == 1}
