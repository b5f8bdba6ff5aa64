"""How each system compares texts: one sort key a text, by which everything is equal, sorted, unique and searched.

Dataverse compares as SQL Server's ``*_CI_AI`` do: without case, accents, width and kind of kana. F&O compares
as ``*_CI_AS``: the same, but accents count. Both ignore trailing blanks and see ``ß`` as ``ss``; leading blanks count.
Two texts are equal exactly when their keys are the same.

Both sort as Windows sorts words, as SQL Server does for all Unicode text. First by what a reader sees: blanks and
punctuation, then digits, then letters, an accented letter and one with a stroke beside its base letter. Where that is
the same, by accents and strokes. Where that is the same too, by hyphens and apostrophes, which are passed over until
then: ``coop``, ``co-op``, ``corn``. A key has these three parts, the second and third where the text has any.

In SQL the key of a column is a function of it (`compared`), which the indexes hold too.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from functools import cache, lru_cache
from unicodedata import category, combining, digit, normalize, unidata_version

from p2c_lib.sandbox import exact
from p2c_lib.sandbox.meter import CALL, define
from p2c_lib.sandbox.schema import Column, System, enums

_TEXTS = {"string", "memo"}
# Hiragana as the katakana of the same sounds.
_KANA = {code: code + 0x60 for code in (*range(0x3041, 0x3097), 0x309D, 0x309E)}
# Classes of combining marks that are no accents: strokes through a sign, which make another sign of it, marks that join
# letters (viramas), and vowels that are written as marks (Telugu, Thai, Lao, Tibetan).
_LETTERS = frozenset({0, 1, 9, 84, 91, 103, 118, 129, 130, 132})
# What begins the third and the second part of a key; both sort before anything that a text can hold.
_JOINTS, _ACCENTS = "\x01", "\x02"
_CONTROLS = {code: f"\x03{chr(0x10 + code)}" for code in range(4)}
# Punctuation in Windows' order, from U+0020 on; other signs follow it behind U+0040, digits stand at A to J.
_PUNCTUATION = ' !"#$%&()*,./:;?@[\\]^_`{|}~+<=>'
_PASSED_OVER = "-'\u00ad\u2010\u2011"
_ASCII_JOINT = re.compile("[-']")
# Letters that are no letter with an accent, by the letters they stand beside.
_BESIDE = {
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "þ": "th", "ŧ": "t",
    "ƀ": "b", "ɨ": "i", "ʉ": "u", "ƶ": "z", "ǥ": "g",
}  # fmt: skip


# Grows with every change of what is one text; Unicode's own tables change with Python's version.
_REVISION = 2


def edition() -> int:
    """The rules and Unicode tables that keys are made by, as a number: indexes hold keys and must be of the same."""
    major, minor, patch = (int(part) for part in unidata_version.split("."))
    return ((_REVISION * 100 + major) * 100 + minor) * 100 + patch


def letters(text: str, system: System) -> str:
    """The text without what the system does not tell apart, blanks kept.

    >>> letters("Café ", "sales"), letters("Café ", "finops")
    ('cafe ', 'café ')
    """
    if text.isascii():
        return text.lower()
    return _folded(text, system)


@lru_cache(maxsize=65_536)
def _folded(text: str, system: System) -> str:
    # An accent that stands alone is a sign of its own; taken apart it would be a blank.
    pieces = _alone().split(text)
    return "".join(piece if at % 2 else _settled(piece, system) for at, piece in enumerate(pieces))


@cache
def _alone() -> re.Pattern[str]:
    apart = ((chr(code), normalize("NFKD", chr(code))) for code in range(0x80, 0x10000))
    return re.compile(f"([{''.join(sign for sign, parts in apart if len(parts) > 1 and parts.startswith(' '))}])")


def _settled(text: str, system: System) -> str:
    """Folded until nothing changes any more: a letter may come out of a sign only when that is taken apart."""
    while True:
        parts = _bare(normalize("NFKD", text), system)
        parts = normalize("NFKD", parts.casefold()).translate(_KANA)
        made = normalize("NFKC", _bare(parts, system))
        if made == text:
            return made
        text = made


def _bare(parts: str, system: System) -> str:
    return "".join(c for c in parts if combining(c) in _LETTERS) if system == "sales" else parts


def sales_key(text: object) -> object:
    """The sort key of a Dataverse text; what is no text is its own key.

    >>> sales_key("CAFÉ-1  ") == sales_key("cafe-1")
    True
    """
    return _text_key(text, "sales") if isinstance(text, str) else text


def finops_key(text: object) -> object:
    """The sort key of an F&O text; F&O has no null, so nothing is the empty text.

    >>> finops_key("CAFÉ-1") == finops_key("café-1 "), finops_key("CAFÉ-1") == finops_key("cafe-1"), finops_key(None)
    (True, False, '')
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        return text
    return _text_key(text, "finops")


@lru_cache(maxsize=131_072)
def _text_key(text: str, system: System) -> str:
    """A text is met several times on its way: looked for, held against the others of its column, put into indexes."""
    return _key(letters(text, system).rstrip(" "), system)


def company(text: str) -> str:
    """A company as it is kept: in the letters by which it compares, so that an index of companies is one of keys.

    >>> company("USMF ")
    'usmf'
    """
    return letters(text, "finops").rstrip(" ")


def _key(folded: str, system: System) -> str:
    """The sort key of a text whose letters are folded."""
    if not folded.isprintable():
        folded = folded.translate(_CONTROLS)
    seen = folded.translate(_WEIGHTS)
    if folded.isascii():
        return seen if len(seen) == len(folded) else f"{seen}{_joints(folded)}"
    bare = letters(folded, "sales") if system == "finops" else folded
    kept = "".join(c for c in folded if not _passed_over(c))
    return f"{bare.translate(_WEIGHTS)}{_ACCENTS}{kept}{'' if kept == folded else _joints(folded)}"


def _joints(folded: str) -> str:
    """What was passed over, each with its place among the rest."""
    found, place = [_JOINTS], 0
    if folded.isascii():
        for number, joint in enumerate(_ASCII_JOINT.finditer(folded)):
            found.append(f"{_place(joint.start() - number)}{joint.group()}")
        return "".join(found)
    for c in folded:
        if _passed_over(c):
            found.append(f"{_place(place)}{c}")
        else:
            place += 1
    return "".join(found)


def _place(number: int) -> str:
    """A place in a text as a character; halves of a surrogate pair are none."""
    return chr(number + (0x20 if number < 0xD7E0 else 0x820))


def _passed_over(c: str) -> bool:
    return c in _PASSED_OVER or (c > "\x7f" and category(c) == "Cf")


class _Weights(dict[int, str]):
    """What a character is sorted by before accents and joints: made when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _weight(chr(code))
        return found


def _weight(c: str) -> str:
    if _passed_over(c):
        return ""
    if c in _PUNCTUATION:
        return chr(0x20 + _PUNCTUATION.index(c))
    value = digit(c, None)
    if value is not None:
        return chr(ord("A") + value)
    if c <= "\x7f":
        return c
    return f"@{c}" if category(c)[0] in "PSZ" else _BESIDE.get(c, c)


_WEIGHTS = _Weights({code: _weight(chr(code)) for code in range(0x80)})


def key_of(system: System, text: object) -> object:
    """The sort key of a text of either system."""
    return sales_key(text) if system == "sales" else finops_key(text)


def compared(system: System, column: Column, sql: str) -> str:
    """SQL for what a column, or a value for it, is compared by; an empty enum of F&O is its first member.

    >>> from p2c_lib.sandbox.schema import entity
    >>> compared("sales", entity("sales", "account").columns["name"], "t.name")
    'sales_key(t.name)'
    """
    if column.kind in _TEXTS:
        return f"{system}_key({sql})"
    if column.kind == "enum":
        members = enums()[column.enum or ""]
        return f"finops_key(ifnull({sql}, '{min(members, key=lambda name: members[name])}'))"
    return f"number_key({sql})" if column.kind in exact.KINDS else sql


# -- patterns ------------------------------------------------------------------------------------------------------


def like(system: System) -> Callable[[object, str], bool | None]:
    """SQL Server's LIKE under the system's comparison: ``%``, ``_``, ``[set]`` and ``[^set]``."""

    def matches(text: object, pattern: str) -> bool | None:
        return None if text is None else _pattern(pattern, system)(letters(str(text), system))

    return matches


# As many as one query may have conditions, twice over.
@lru_cache(maxsize=1024)
def _pattern(pattern: str, system: System) -> Callable[[str], bool]:
    inner = pattern.strip("%")
    if len(pattern) > len(inner) and not any(mark in inner for mark in "%_["):
        return _plain(letters(inner, system), opened=pattern.startswith("%"), closed=not pattern.endswith("%"))
    whole = re.compile(_expression(pattern, system), re.DOTALL)
    return lambda text: whole.fullmatch(text) is not None


def _wildcards(pieces: list[str]) -> str:
    """The pieces with any text between them; each is taken where it is found first, so that no text is tried again."""
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return f"{first}{''.join(f'(?>.*?{piece})' for piece in middle if piece)}.*{last}"


def _plain(part: str, *, opened: bool, closed: bool) -> Callable[[str], bool]:
    if opened and not closed:
        return lambda text: part in text
    return (lambda text: text.endswith(part)) if opened else (lambda text: text.startswith(part))


def _expression(pattern: str, system: System) -> str:
    pieces, out, at = list[str](), "", 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 2) if character == "[" else -1
        if closing > 0:
            out += _set(letters(pattern[at + 1 : closing], system))
            at = closing + 1
            continue
        following = next((i for i in range(at + 1, len(pattern)) if pattern[i] in "%_["), len(pattern))
        if character == "%":
            pieces, out, following = [*pieces, out], "", at + 1
        elif character == "_":
            out, following = f"{out}.", at + 1
        else:
            out += re.escape(letters(pattern[at:following], system))
        at = following
    return _wildcards([*pieces, out])


def _set(inside: str) -> str:
    negated = inside.startswith("^") and len(inside) > 1
    inside = inside[1:] if negated else inside
    ranges = re.sub(r"([\\\]\[^&~|])", r"\\\1", inside)
    ordered = all(a <= b for a, b in re.findall(r"(.)-(.)", inside, re.DOTALL))
    return f"[{'^' if negated else ''}{ranges if ordered else ranges.replace('-', chr(92) + '-')}]"


def escaped(text: str) -> str:
    """The text as a pattern that matches itself only.

    >>> escaped("50%_[a]")
    '50[%][_][[]a]'
    """
    return re.sub(r"[%_\[]", lambda found: f"[{found.group()}]", text)


def register(connection: sqlite3.Connection) -> None:
    """Make the keys and patterns known to a connection."""
    systems: tuple[System, ...] = ("sales", "finops")
    for system in systems:
        key = sales_key if system == "sales" else finops_key
        define(connection, f"{system}_key", 1, key)
        define(connection, f"{system}_like", 2, like(system), steps=2 * CALL)
    define(connection, "company", 1, lambda text: company(str(text or "")))
