"""Differences of one cause in one field, what they are worth, and the rule that would settle them."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from p2c_lib.display import text_of
from p2c_lib.lengths import add_lengths, cut_sql, cut_units_sql, utf16_length_sql
from p2c_lib.reconcile.patterns import factor_sql
from p2c_lib.reconcile.sides import quoted, text_literal
from p2c_lib.value_keys import value_key_sql, value_keys

if TYPE_CHECKING:
    from p2c_lib.mapping import Template

__all__ = ["Cluster", "Fix", "causes_of", "clusters_of"]

MONEY = "price|discount|credit|amount|cost"
MONEY_TYPE = "DECIMAL(38, 16)"  # as many decimals as F&O has
EXAMPLES = 5
MOST_ENTRIES = 500
MOST_LENGTHS = 16  # a family of emoji has 11 code units, and blanks may stand before it
# A transform is proposed where it turns every expected value of the cluster into the actual one.
STEPS = {
    "whitespace": {"trim": "trim(x)", "collapse": r"trim(regexp_replace(x, '\s+', ' ', 'g'))"},
    "case": {"upper": "upper(x)", "lower": "lower(x)"},
    "unicode": {"normal_form": "nfc_normalize(x)"},
}
LENIENT = (
    "whitespace",
    "case",
    "unicode",
    "encoding",
    "phone-format",
    "leading-zeros",
    "truncated",
    "day-shift",
    "empty-vs-null",
)


@dataclass(frozen=True)
class Fix:
    """A rule that would settle a cluster: a step of the mapping or a compare rule, in a template's own words.

    ``step`` is what the field's ``apply`` gains, ``compare`` what the template's compare rules gain.
    """

    field: str
    cause: str
    words: str
    step: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    compare: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def into(self, template: Template) -> Template:
        """The template with this fix accepted, checked as any template is."""
        content = template.to_dict()
        if self.step:
            rule = next(r for r in content["fields"] if r["to"] == self.field)
            rule["apply"] = [*rule.get("apply", []), dict(self.step)]
        compare = content.setdefault("compare", {})
        for name, wanted in self.compare.items():
            there = compare.get(name, {})
            compare[name] = {**there, **{c: _joined(there.get(c), v) for c, v in wanted.items()}}
        return type(template).model_validate(content)

    def expected_sql(self, *, trims: bool = False) -> str:
        """The expected column after the step, as SQL; the column itself where the fix is a compare rule.

        ``trims`` says that the destination takes blanks off the end of a text, and so mapping does.
        """
        column = quoted(self.field)
        if "truncate" in self.step:
            return _trimmed(cut_sql(column, int(self.step["truncate"])), trims=trims)
        if "value_map" in self.step:
            pairs = self.step["value_map"]
            keys = value_keys(pa.array([text_of(key) for key in pairs], pa.string())).to_pylist()
            partners = dict(zip(keys, pairs.values(), strict=True))
            whens = "".join(f" WHEN {text_literal(key)} THEN {_literal(partner)}" for key, partner in partners.items())
            return f"CASE {value_key_sql(column)}{whens} ELSE {column} END"
        for steps in STEPS.values():
            for name, sql in steps.items():
                if name in self.step:
                    return re.sub(r"\bx\b", lambda _: column, sql)
        return column

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "step": dict(self.step), "compare": dict(self.compare)}


@dataclass(frozen=True)
class Cluster:
    """All differences of one cause in one field: how many, examples, money at stake, and a fix where one is known.

    ``examples`` are (key, expected, actual); ``money`` is the sum of the gaps for prices, discounts, costs, amounts and
    credit limits; ``says`` is what the rows have in common, where that can be said.
    """

    cause: str
    field: str
    count: int
    examples: tuple[tuple[str, str | None, str | None], ...]
    money: Decimal | None = None
    fix: Fix | None = None
    says: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The cluster as plain values."""
        money = text_of(self.money)
        fix = None if self.fix is None else self.fix.to_dict()
        return {**vars(self), "examples": [list(e) for e in self.examples], "money": money, "fix": fix}

    def _repr_html_(self) -> str:
        _, expected, actual = self.examples[0]
        words = [f"{self.says}."] if self.says else []
        words += [f"Proposed: {self.fix.words}."] if self.fix else []
        said = f"{self.count:,} x {escape(self.cause)} in {escape(self.field)}"
        return f"<p><b>{said}</b>: {escape(str(expected))} and {escape(str(actual))}. {escape(' '.join(words))}</p>"


def clusters_of(
    differences: pa.Table, causes: pa.Table, harmless: Callable[[Fix], bool], *, trims: bool = False
) -> tuple[Cluster, ...]:
    """A cluster for each line of ``causes``, in its order; ``trims`` where the destination takes blanks off a text.

    A step of the mapping is proposed where it settles the whole cluster and is ``harmless``: no value that is equal now
    would differ after it. Where there is none, a compare rule is.
    """
    if not causes.num_rows:
        return ()
    database = duckdb.connect(":memory:")
    try:
        add_lengths(database)
        database.register("d", differences)
        made = []
        for line in causes.to_pylist():
            where = f"cause = {text_literal(line['cause'])} AND field = {text_literal(line['field'])}"
            found = database.sql(f"SELECT key, expected, actual FROM d WHERE {where} LIMIT {EXAMPLES}").fetchall()
            fix = _fix(database, line["cause"], line["field"], where, harmless, trims=trims)
            says = _said(database, line["cause"], where)
            made.append(Cluster(line["cause"], line["field"], line["count"], tuple(found), line["money"], fix, says))
        return tuple(made)
    finally:
        database.close()


def causes_of(differences: pa.Table) -> pa.Table:
    """How often each cause stands behind each field, an example, and the sum of the gaps where the field is money."""
    gap = f"abs(coalesce(TRY_CAST(expected AS {MONEY_TYPE}), 0) - coalesce(TRY_CAST(actual AS {MONEY_TYPE}), 0))"
    database = duckdb.connect(":memory:")
    try:
        database.register("d", differences)
        return database.sql(
            'SELECT cause, field, count(*) AS count, first(expected ORDER BY "@expected") AS expected, '
            'first(actual ORDER BY "@expected") AS actual, '
            f"CASE WHEN regexp_matches(field, '{MONEY}', 'i') THEN sum({gap})::{MONEY_TYPE} END AS money "
            "FROM d GROUP BY cause, field ORDER BY count DESC, cause, field"
        ).to_arrow_table()
    finally:
        database.close()


def _said(database: duckdb.DuckDBPyConnection, cause: str, where: str) -> str:
    """What the rows of a cluster have in common: the one value of a constant, the factors of a ratio."""
    if cause == "constant":
        sql = f"SELECT count(DISTINCT actual), first(expected), first(actual) FROM d WHERE {where}"
        ((actuals, e, a),) = database.sql(sql).fetchall()
        return f"the actual value is always {a}" if actuals == 1 else f"the expected value is always {e}"
    if cause != "ratio":
        return ""
    e, a = "CAST(expected AS DOUBLE)", "CAST(actual AS DOUBLE)"
    factors = database.sql(
        f"SELECT abs({e}) > abs({a}) AS up, {factor_sql(e, a)} AS factor, count(*) FROM d WHERE {where} "
        f"GROUP BY up, factor ORDER BY 3 DESC LIMIT {EXAMPLES}"
    ).fetchall()
    said, last = [], ""
    for up, factor, count in factors:
        subject = "actual is expected " if up == (factor < 1) else "expected is actual "
        said.append(f"{'' if subject == last else subject}× {factor:g} ({count:,})")
        last = subject
    return ", ".join(said)


def _fix(
    database: duckdb.DuckDBPyConnection,
    cause: str,
    column: str,
    where: str,
    harmless: Callable[[Fix], bool],
    *,
    trims: bool,
) -> Fix | None:
    steps = _steps(database, cause, column, where, trims=trims)
    return next((fix for fix in steps if harmless(fix)), None) or _leniency(database, cause, column, where)


def _steps(database: duckdb.DuckDBPyConnection, cause: str, column: str, where: str, *, trims: bool) -> Iterator[Fix]:
    """The steps of a mapping that would turn every expected value of the cluster into the actual one."""
    if cause == "unmapped-value":
        entries = _pairs(database, where)
        step = {"value_map": entries, "otherwise": "keep"}
        yield Fix(column, cause, f"add to the value map of {column}: {_shown(entries)}", step=step)
    if cause == "truncated":
        yield from _truncations(database, column, where, trims=trims)
    for name, sql in STEPS.get(cause, {}).items():
        shaped = re.sub(r"\bx\b", "expected", sql)
        if _always(database, where, f"{shaped} = actual"):
            argument = "NFC" if name == "normal_form" else None
            yield Fix(column, cause, f"apply {name} to {column}", step={name: argument})


def _leniency(database: duckdb.DuckDBPyConnection, cause: str, column: str, where: str) -> Fix | None:
    """The compare rule by which the cluster would not count."""
    if cause == "unmapped-value":
        entries = _pairs(database, where)
        words = f"let {column} be spelt either way: {_shown(entries)}"
        return Fix(column, cause, words, compare={"spellings": {column: entries}})
    if cause == "rounding":
        return _tolerance(database, column, where)
    if cause == "default":
        words = f"leave {column} alone where a side holds the template's default"
        return Fix(column, cause, words, compare={"same": {column: (cause,)}})
    if cause == "other-source":
        words = f"leave {column} alone: each side fills it from something else"
        return Fix(column, cause, words, compare={"same": {column: (cause,)}})
    if cause in LENIENT:
        return Fix(column, cause, f"compare {column} without regard to {cause}", compare={"same": {column: (cause,)}})
    return None


def _pairs(database: duckdb.DuckDBPyConnection, where: str) -> dict[str, str]:
    sql = f"SELECT DISTINCT expected, actual FROM d WHERE {where} ORDER BY ALL LIMIT {MOST_ENTRIES}"
    return dict(database.sql(sql).fetchall())


def _shown(entries: Mapping[str, str]) -> str:
    """The first entries and how many there are, such as ``3 entries, Texas → TX, ...``."""
    first = ", ".join(f"{e} → {a}" for e, a in list(entries.items())[:3])
    number = f"{len(entries):,} entr{'y' if len(entries) == 1 else 'ies'}"
    return f"{number}, {first}{', …' if len(entries) > 3 else ''}"


def _tolerance(database: duckdb.DuckDBPyConnection, column: str, where: str) -> Fix:
    gap = "max(abs(TRY_CAST(expected AS DECIMAL(38, 10)) - TRY_CAST(actual AS DECIMAL(38, 10))))"
    (largest,) = database.sql(f"SELECT {gap} FROM d WHERE {where}").fetchall()[0]
    most = Decimal(largest).normalize()
    words = f"let {column} differ by up to {most:f}"
    return Fix(column, "rounding", words, compare={"tolerance": {column: most}})


def _truncations(database: duckdb.DuckDBPyConnection, column: str, where: str, *, trims: bool) -> Iterator[Fix]:
    """The lengths at which every expected value is cut to give the actual one, the shortest first.

    A text that ends in a long character, such as an emoji or a letter with its marks, is shorter by it, and one that
    ends in blanks by those, where the destination trims; so where only such texts are cut, several lengths would do.
    A text that the destination cut inside a letter and its marks shows the same length: it differs until it is written.
    """
    ((high,),) = database.sql(f"SELECT max({utf16_length_sql('actual')}) FROM d WHERE {where}").fetchall()
    for most in range(high or 0, (high or 0) + MOST_LENGTHS):
        inside = _cut_inside(database, where, most, trims=trims)
        if inside is None:
            return
        words = f"truncate {column} to {most} characters"
        if inside:
            words += f"; {inside:,} that the destination cut inside a letter differ until they are written"
        yield Fix(column, "truncated", words, step={"truncate": most})


def _cut_inside(database: duckdb.DuckDBPyConnection, where: str, most: int, *, trims: bool) -> int | None:
    """How many texts of a cluster are cut at a length inside a letter; None where not all are cut there, or all so."""
    between, units = (_trimmed(cut("expected", most), trims=trims) for cut in (cut_sql, cut_units_sql))
    counts = f"count(*), count_if({between} = actual), count_if({between} = actual OR {units} = actual)"
    ((rows, whole, cut),) = database.sql(f"SELECT {counts} FROM d WHERE {where}").fetchall()
    return rows - whole if whole and cut == rows else None


def _trimmed(cut: str, *, trims: bool) -> str:
    return f"rtrim({cut}, ' ')" if trims else cut


def _literal(partner: object) -> str:
    text = text_of(partner)
    return "NULL" if text is None else text_literal(text)


def _always(database: duckdb.DuckDBPyConnection, where: str, holds: str) -> bool:
    (all_hold,) = database.sql(f"SELECT bool_and(coalesce({holds}, FALSE)) FROM d WHERE {where}").fetchall()[0]
    return bool(all_hold)


def _joined(there: Any, wanted: Any) -> Any:
    """What a column's compare rule becomes: causes and spellings are added to, a tolerance is replaced."""
    if isinstance(wanted, tuple | list):
        return list(dict.fromkeys([*(there or ()), *wanted]))
    return {**(there or {}), **wanted} if isinstance(wanted, Mapping) else text_of(wanted)
