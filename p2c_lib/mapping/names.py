"""How alike two column names are, as someone who knows both systems reads them."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["likeness", "words_of"]

# The words that Sales writes together, to take its names apart.
VOCABULARY = frozenset(
    re.findall(
        r"\w+",
        """
    account active address amount base billto birth business by category city code comment company contact contacted
    control cost country county create credit currency current customer date day decimal default delivery department
    description detail discount do email employees expires external externally family fax first freight full gender
    government group has hold id industry invoice is iso item job language last latitude level limit line list location
    longitude mail maintained manual mark memo middle mobile modified name net not notes number of office on only
    opening or order origin parent payment per percentage phone post postal price primary priority process product
    products province purchase quantity quote reference region request required revenue revision role sales schedule
    sequence service ship shipping shipto site size spouses standard state status stock street structure suffix
    supported symbol tax telephone terms ticker time title total transaction type unit uom url use valid vendor version
    volume warehouse web website weight zip zone
""",
    )
)

# What one system calls so, the other calls otherwise; phrases first.
PHRASES = (
    (("state", "or", "province"), "state"),
    (("postal", "code"), "zip"),
    (("zip", "code"), "zip"),
    (("email", "address"), "email"),
    (("uom", "schedule"), "unitgroup"),
    (("web", "site"), "url"),
    (("decimal", "precision"), "decimal"),
    (("family", "status"), "marital"),
    (("marital", "status"), "marital"),
    (("job", "title"), "profession"),
)
SYNONYMS = {
    "telephone": "phone",
    "mobile": "phone",
    "website": "url",
    "province": "state",
    "line": "street",
    "uom": "unit",
    "precision": "decimal",
    "quotation": "quote",
    "stocked": "stock",
    "shipto": "delivery",
    "billto": "invoice",
    "memo": "description",
    "notes": "description",
    "party": "account",
}

# Words that tell little: what every column of the entity is about, and marks of form.
WEAK = frozenset(
    re.findall(
        r"\w+",
        """
    account address amount code contact current customer default id is iso main name number of organization person
    primary product quantity region sales symbol the transaction value
""",
    )
)
LITTLE = 0.25


def likeness(first: str, second: str) -> float:
    """0 for names with nothing in common, 1 for names of the same words.

    >>> likeness("address1_postalcode", "AddressZipCode") > likeness("address1_postalcode", "AddressCity")
    True
    """
    one, other = words_of(first), words_of(second)
    both = _weight(one & other)
    return 2 * both / (_weight(one) + _weight(other)) if both else 0.0


@cache
def words_of(name: str) -> frozenset[str]:
    """The words of a column name, in the spelling both systems share.

    >>> sorted(words_of("address1_stateorprovince")), sorted(words_of("AddressState"))
    (['address', 'state'], ['address', 'state'])
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    raw = [word.rstrip("0123456789") for word in re.split(r"[\s_.]+", spaced.lower())]
    words = [part for word in raw if word and word != "msdynce" for part in _apart(word)]
    for phrase, meaning in PHRASES:
        words = _replaced(words, phrase, meaning)
    return frozenset(SYNONYMS.get(word, word) for word in words)


@cache
def _apart(word: str) -> tuple[str, ...]:
    """A run-together name as the fewest words of the vocabulary; as it is where that does not work out."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            before, piece = best[start], word[start:end]
            if before is not None and piece in VOCABULARY and len(before) + 1 < len(best[end] or " " * 99):
                best[end] = (*before, piece)
    return best[-1] or (word,)


def _replaced(words: list[str], phrase: tuple[str, ...], meaning: str) -> list[str]:
    size = len(phrase)
    for place in range(len(words) - size + 1):
        if tuple(words[place : place + size]) == phrase:
            return [*words[:place], meaning, *words[place + size :]]
    return words


def _weight(words: frozenset[str]) -> float:
    return sum(LITTLE if word in WEAK else 1.0 for word in words)
