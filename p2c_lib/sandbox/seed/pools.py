"""Names, places and trades that made-up companies are put together from; the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

LOREM = (
    "prefers deliveries on Tuesday mornings",
    "asks for one invoice a month",
    "met at the spring fair",
    "renews the frame agreement every two years",
    "orders by telephone",
    "has a loading dock at the rear",
)
JOBS = ("Buyer", "Head of Purchasing", "Office Manager", "Workshop Manager", "Accountant", "Owner", "Sales Manager",
        "Engineer", "Warehouse Manager", "Assistant", "Managing Director", "Controller")  # fmt: skip
DEPARTMENTS = ("Purchasing", "Finance", "Operations", "Sales", "Workshop", "Management")
LEGAL = {"USA": "Inc.", "CAN": "Ltd.", "AUS": "Pty Ltd", "GBR": "Ltd", "DEU": "GmbH", "FRA": "SARL"}
MATERIALS = ("Alloy", "Carbon", "Steel", "Titanium", "Rubber", "Leather", "Nylon", "Aluminium", "Composite", "Cotton")
THINGS = ("Frame", "Wheel", "Saddle", "Handlebar", "Pedal", "Chain", "Brake", "Fork", "Helmet", "Glove", "Pump", "Rack",
          "Lamp", "Bottle", "Jersey", "Tyre", "Tube", "Lock", "Basket", "Bell")  # fmt: skip
USES = ("Road", "Touring", "Mountain", "City", "Racing", "Junior")


@dataclass(frozen=True)
class Land:
    """A country with places in it; ``phone`` and ``postcode`` are patterns whose ``#`` are digits."""

    name: str
    iso3: str
    iso2: str
    currency: str
    phone: str
    postcode: str
    states: tuple[str, ...]
    cities: tuple[str, ...]
    streets: tuple[str, ...]


@dataclass(frozen=True)
class Pools:
    """Everything to draw from."""

    lands: tuple[Land, ...]
    weights: tuple[int, ...]
    companies: tuple[str, ...]
    men: tuple[str, ...]
    women: tuple[str, ...]
    family: tuple[str, ...]


_LANDS = (
    ("United States", "USA", "US", "USD", "2##-555-01##", "#####", "en", 60),
    ("Canada", "CAN", "CA", "CAD", "4##-555-01##", "K#A #B#", "en-ca", 10),
    ("Australia", "AUS", "AU", "AUD", "+61 2 5550 ####", "2###", "en-au", 8),
    ("United Kingdom", "GBR", "GB", "GBP", "+44 20 7946 0###", "SW# #AB", "en-gb", 8),
    ("Germany", "DEU", "DE", "EUR", "+49 30 23125 ###", "1####", "de", 8),
    ("France", "FRA", "FR", "EUR", "+33 1 99 00 ## ##", "75###", "fr", 6),
)
_STATES = {
    "CAN": ("ON", "QC", "BC", "AB", "MB", "NS"),
    "AUS": ("NSW", "VIC", "QLD", "WA", "SA"),
    "GBR": ("Kent", "Essex", "Surrey", "Devon"),
    "DEU": ("BE", "BY", "HH", "NW", "SN", "HE"),
    "FRA": ("IDF", "PAC", "OCC", "BRE"),
}


def pools(random_seed: int) -> Pools:
    """The pools of a seed, a few hundred of everything."""
    from mimesis import Gender, Generic
    from mimesis.locales import Locale

    lands = []
    for name, iso3, iso2, currency, phone, postcode, locale, _ in _LANDS:
        places = Generic(Locale(locale), seed=random_seed).address
        states = _STATES.get(iso3) or _several(lambda p=places: p.state(abbr=True), 50)
        cities = _several(places.city, 120)
        streets = _several(places.street_name, 200)
        lands.append(Land(name, iso3, iso2, currency, phone, postcode, states, cities, streets))
    english = Generic(Locale.EN, seed=random_seed)
    person = english.person
    return Pools(
        lands=tuple(lands),
        weights=tuple(row[-1] for row in _LANDS),
        companies=_several(english.finance.company, 900),
        men=_several(lambda: person.first_name(Gender.MALE), 300),
        women=_several(lambda: person.first_name(Gender.FEMALE), 300),
        family=_several(person.last_name, 700),
    )


def _several(make: object, count: int) -> tuple[str, ...]:
    assert callable(make)
    found = dict.fromkeys(str(make()).strip() for _ in range(count * 2))
    return tuple(text for text in found if len(text) <= 25)[:count]


def digits(pattern: str, rng: random.Random) -> str:
    """The pattern with a random digit for each ``#``."""
    number = f"{rng.randrange(10**9):09d}"
    text = []
    at = 0
    for mark in pattern:
        if mark == "#":
            text.append(number[at % 9])
            at += 1
        else:
            text.append(mark)
    return "".join(text)
