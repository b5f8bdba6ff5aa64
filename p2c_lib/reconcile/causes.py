"""Why two values differ, as SQL over the differing values alone.

The causes of a single row, in the order they are tried; those of many rows are in ``patterns``:

========================  ============================================================================================
``empty-vs-null``         both sides hold nothing, spelt differently: "", blanks, null, and zero against null
``default``               one side holds the template's default
``not-filled``            one side holds nothing, the other a value
``whitespace``            the same without white space
``case``                  the same without regard to case
``unicode``               the same without accents, typographic quotes and letters of another alphabet that look alike
``encoding``              one text is the other, read in the wrong code page (Roástr for Roßstr)
``phone-format``          the same digits, or the same with a country code
``leading-zeros``         the same without leading zeros
``truncated``             one is the beginning of the other; before all others where it fills the column
``rounding``              one number is the other, rounded or cut to fewer decimals
``day-shift``             moments less than a day apart by whole quarters of an hour, or days next to each other
``unmapped-value``        a name and its code: a value map lacks the entry
``value``                 none of these
========================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from p2c_lib.lengths import utf16_length_sql
from p2c_lib.reconcile.columns import ComparedColumn
from p2c_lib.reconcile.sides import text_literal

__all__ = ["CAUSES", "cause_sql", "cut_sql", "values_sql"]

CAUSES = (
    "empty-vs-null",
    "default",
    "not-filled",
    "whitespace",
    "case",
    "unicode",
    "encoding",
    "phone-format",
    "leading-zeros",
    "truncated",
    "rounding",
    "day-shift",
    "unmapped-value",
    "ratio",
    "constant",
    "other-source",
    "value",
)
SPACE = r"'[\s\x{0085}\x{00A0}\x{1680}\x{2000}-\x{200D}\x{2028}\x{2029}\x{202F}\x{205F}\x{2060}\x{3000}\x{FEFF}]+'"
FANCY, PLAIN = "´`‘’‚‛“”„‟–—‐‑−ıøłđаеорсхуіјѕԁοανρ", "''''''\"\"\"\"-----ioldaeopcxyijsdoavp"
PHONE = r"'^[+(0-9][0-9 ()./+x-]{5,}$'"
SHORTEST_CUT = 10
SHORTEST_PHONE = 7
COUNTRY_CODE = 3
# The upper half of a code page: as Windows reads it, and what it says where DOS wrote it.
HIGH = bytes(range(0x80, 0x100))
WINDOWS = "".join(bytes([b]).decode("cp1252", "replace").replace("\ufffd", chr(b)) for b in HIGH)
LATIN, DOS = HIGH.decode("latin-1"), HIGH.decode("cp850")


def cause_sql(column: ComparedColumn) -> str:
    """A CASE over two values that are known to differ, ``e`` and ``a``, which ``values_sql`` names."""
    whens = [f"WHEN {when} THEN '{cause}'" for cause, when in _tests(column)]
    return f"CASE {' '.join(whens)} ELSE 'value' END"


def values_sql(column: ComparedColumn, expected: str, actual: str) -> str:
    """Two values as ``e`` and ``a``; of texts also what is left without white space, and that in lower case."""
    named = f"{expected} AS e, {actual} AS a"
    if column.kind != "text":
        return named
    tight = [f"regexp_replace({value}, {SPACE}, '', 'g')" for value in (expected, actual)]
    low = [f"lower({text})" for text in tight]
    return f"{named}, {tight[0]} AS tight_e, {tight[1]} AS tight_a, {low[0]} AS low_e, {low[1]} AS low_a"


def _tests(column: ComparedColumn) -> Iterator[tuple[str, str]]:
    e, a = "e", "a"
    nothing_e, nothing_a = _nothing(column, e), _nothing(column, a)
    yield "empty-vs-null", f"{nothing_e} AND {nothing_a}"
    if column.default is not None:
        default = text_literal(column.default)
        yield "default", f"{column.text(e)} = {default} OR {column.text(a)} = {default}"
    yield "not-filled", f"{column.empty(e)} OR {column.empty(a)} OR {nothing_e} OR {nothing_a}"
    if column.kind == "text":
        yield from _text_tests(column, e, a)
    elif column.kind == "number":
        yield "rounding", _rounded(e, a)
    elif column.kind == "moment":
        yield "day-shift", _shifted(column, e, a)


def _nothing(column: ComparedColumn, value: str) -> str:
    """True where a value holds nothing in any system's spelling."""
    if column.kind == "text":
        return f"coalesce(tight_{value} = '', TRUE)"
    if column.kind == "number":
        return column.nought(value)
    return f"{value} IS NULL"


def _text_tests(column: ComparedColumn, e: str, a: str) -> Iterator[tuple[str, str]]:
    low = ("low_e", "low_a")
    yield "truncated", f"{_full(column, e, a)} OR {_full(column, a, e)}"
    yield "whitespace", "tight_e = tight_a"
    yield "case", "low_e = low_a"
    base = [f"strip_accents(nfc_normalize(translate({t}, {text_literal(FANCY)}, {text_literal(PLAIN)})))" for t in low]
    foreign = " OR ".join(f"strlen({v}) > length({v}) OR contains({v}, '`')" for v in (e, a))
    yield "unicode", f"({foreign}) AND {base[0]} = {base[1]}"
    yield "encoding", f"{_misread(e, a)} OR {_misread(a, e)}"
    yield "phone-format", _same_phone(e, a)
    zeros = [f"ltrim({t}, '0')" for t in low]
    number = "regexp_matches({}, '^[a-z]{{0,3}}[0-9]+$')"
    yield "leading-zeros", f"{number.format(low[0])} AND {number.format(low[1])} AND {zeros[0]} = {zeros[1]}"
    yield "truncated", f"{_cut(e, a)} OR {_cut(a, e)}"
    yield "unmapped-value", f"{_coded(e, a)} OR {_coded(a, e)}"


def _misread(wrong: str, right: str) -> str:
    """The wrong text is the right one in the bytes of DOS or of UTF-8, read as Windows-1252 or Latin-1."""
    dos = " OR ".join(
        f"translate({wrong}, {text_literal(page)}, {text_literal(DOS)}) = {right}" for page in (WINDOWS, LATIN)
    )
    letters = f"translate({wrong}, {text_literal(WINDOWS)}, {text_literal(LATIN)})"
    written = f"[printf('%02x', ord(c)) FOR c IN string_split({letters}, '')]"
    bytes_alone = f"NOT regexp_matches({letters}, '[^\\x{{00}}-\\x{{FF}}]')"
    utf8 = f"CASE WHEN {bytes_alone} THEN TRY(decode(unhex(array_to_string({written}, '')))) = {right} END"
    return f"(length({wrong}) < strlen({wrong}) AND ({dos} OR coalesce({utf8}, FALSE)))"


def _same_phone(e: str, a: str) -> str:
    digits = [f"ltrim(regexp_replace({v}, '[^0-9]', '', 'g'), '0')" for v in (e, a)]
    long, short = (
        f"greatest(length({digits[0]}), length({digits[1]}))",
        f"least(length({digits[0]}), length({digits[1]}))",
    )
    ends = f"(suffix({digits[0]}, {digits[1]}) OR suffix({digits[1]}, {digits[0]}))"
    shaped = f"regexp_matches({e}, {PHONE}) AND regexp_matches({a}, {PHONE})"
    marked = f"(regexp_matches({e}, '[^0-9]') OR regexp_matches({a}, '[^0-9]'))"
    return f"{shaped} AND {marked} AND {short} >= {SHORTEST_PHONE} AND {long} - {short} <= {COUNTRY_CODE} AND {ends}"


def _cut(short: str, long: str) -> str:
    """The short text is the beginning of the long one, and long enough not to be so by chance."""
    return f"({_begins(short, long)} AND length({short}) >= {SHORTEST_CUT})"


def _full(column: ComparedColumn, short: str, long: str) -> str:
    """The short text is all that the column holds of the long one: no other cause is needed, whatever was cut off."""
    return "FALSE" if column.max_length is None else cut_sql(short, long, column.max_length)


def _begins(short: str, long: str) -> str:
    whole = f"rtrim({short})"
    return f"(length({whole}) < length({long}) AND prefix({long}, {whole}))"


def cut_sql(short: str, long: str, most: int) -> str:
    """True where a text is the beginning of a longer one, and all of it that so many UTF-16 units hold.

    A service cuts between units, and leaves no half of a character that has two; the workbench cuts between what people
    take for characters; and F&O takes blanks off what is left. So the units that come next, the character or the blanks
    before it, do not fit.
    """
    kept = f"length(rtrim({short}))"
    blanks = f"length(substr({long}, {kept} + 1)) - length(ltrim(substr({long}, {kept} + 1), ' '))"
    rest = f"substr({long}, {kept} + {blanks} + 1)"
    # DuckDB takes CR LF for two characters.
    character = f"CASE WHEN prefix({rest}, chr(13) || chr(10)) THEN 2 ELSE length(left_grapheme({rest}, 1)) END"
    return (
        f"({_begins(short, long)} AND {utf16_length_sql(long)} > {most} AND {utf16_length_sql(short)} <= {most} "
        f"AND {utf16_length_sql(f'left({long}, {kept} + {blanks} + {character})')} > {most})"
    )


def _coded(code: str, name: str) -> str:
    """A code of two or three capitals whose letters stand in the name in that order, beginning with its first."""
    letters = f"regexp_replace(lower({code}), '(.)', '\\1.*', 'g')"
    return (
        f"(regexp_full_match({code}, '[A-Z]{{2,3}}') AND length({name}) > length({code}) "
        f"AND regexp_full_match({name}, '[A-Za-z][A-Za-z .-]*') AND regexp_full_match(lower({name}), {letters}))"
    )


def _rounded(e: str, a: str) -> str:
    """One number is the other with fewer decimals; whole numbers only when that changes it by less than 1 %."""
    e, a = f"CAST({e} AS DOUBLE)", f"CAST({a} AS DOUBLE)"
    near = f"abs({e} - {a}) <= 0.01 * greatest(abs({e}), abs({a}))"
    ways = []
    for long, short in ((e, a), (a, e)):
        for places in range(7):
            unit = f"{10.0**-places:.6f}"
            cut = f"trunc({long} / {unit}) * {unit}"
            same = f"abs(round({long}, {places}) - {short}) < 1e-9 OR abs({cut} - {short}) < 1e-9"
            ways.append(f"({same})" if places else f"({near} AND ({same}))")
    return f"abs({e} - {a}) < 1 AND ({' OR '.join(ways)})"


def _shifted(column: ComparedColumn, e: str, a: str) -> str:
    if column.type == "DATE":
        return f"abs(date_diff('day', {e}, {a})) = 1"
    seconds = f"abs(date_diff('second', {e}, {a}))"
    return f"{seconds} <= 86400 AND {seconds} % 900 = 0"
