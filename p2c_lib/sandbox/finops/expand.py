"""``$expand``, first level only: related rows inside a row, with options of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2c_lib.sandbox.finops.metadata import navigations
from p2c_lib.sandbox.finops.predicate import Sql, column_named, order, where
from p2c_lib.sandbox.finops.refusals import bad_query
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.finops.values import NAMESPACE, as_json_text, etag, row_text, written
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, Value, matching, quoted, table

_ITEM = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_LARGEST = 10_000
# What pairs a parent with its related rows; the services' own pairs are these two.
_LINK = ("dataAreaId", "SalesQuotationNumber")


@dataclass(frozen=True)
class Expansion:
    """One navigation property of a request, with the columns, condition and order of its rows."""

    name: str
    target: Entity
    many: bool
    columns: tuple[str, ...]
    condition: Sql
    sort: str
    top: int

    def text(self, store: Store, parent: Mapping[str, Value]) -> str:
        """The member of one parent row: name and related rows (or row, or null) as JSON."""
        sql, values = self.condition
        listed = ", ".join(quoted(name) for name in self.columns)
        link, linked = matching(self.target, {name: parent[name] for name in _LINK})
        rows = store.connection.execute(
            f"SELECT _version, _id, {listed} FROM {table(self.target)} WHERE {link} AND ({sql}) "  # noqa: S608
            f"ORDER BY {self.sort} LIMIT {self.top}",
            [*linked, *values],
        ).fetchall()
        forms = written(self.target.set_name)
        chosen = [forms[name] for name in self.columns]
        texts = [row_text(chosen, row[2:], f'"@odata.etag":{as_json_text(etag(row[0], row[1]))}') for row in rows]
        inner = f"[{','.join(texts)}]" if self.many else texts[0] if texts else "null"
        return f"{as_json_text(self.name)}:{inner}"


def expansions(entity: Entity, text: str, switches: Switches) -> list[Expansion]:
    """The parts of an ``$expand``; a name the entity does not have, or a deeper level, is refused."""
    return [_expansion(entity, item.strip(), switches) for item in _split(text, ",")]


def _split(text: str, mark: str) -> Sequence[str]:
    parts, depth, quoted_text, start = [], 0, False, 0
    for at, c in enumerate(text):
        quoted_text ^= c == "'"
        depth += 0 if quoted_text else (c == "(") - (c == ")")
        if c == mark and depth == 0 and not quoted_text:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _expansion(entity: Entity, item: str, switches: Switches) -> Expansion:
    match = _ITEM.fullmatch(item)
    known = navigations(entity)
    if match is None or match.group(1) not in known:
        names = ", ".join(known) or "none"
        raise bad_query(
            f"Could not find a navigation property named '{item[:80]}' on type '{NAMESPACE}.{entity.name}'. "
            f"Navigation properties: {names}."
        )
    target, many = known[match.group(1)]
    given = _options(match.group(2) or "")
    listed = [column_named(target, name.strip()).name for name in given.get("$select", "*").split(",") if name != "*"]
    top = given.get("$top", str(_LARGEST))
    if not (top.isascii() and top.isdigit() and len(top) < 9):
        raise bad_query(f"Invalid value '{top[:40]}' for $top in $expand; it takes whole numbers from 0.")
    return Expansion(
        name=match.group(1),
        target=target,
        many=many,
        columns=tuple(dict.fromkeys(listed)) or tuple(target.columns),
        condition=where(target, given["$filter"], switches) if "$filter" in given else ("1", []),
        sort=order(target, given["$orderby"]) if "$orderby" in given else "_id",
        top=min(int(top), _LARGEST),
    )


def _options(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in _split(text, ";") if text.strip() else ():
        name, equals, value = part.strip().partition("=")
        if name == "$expand":
            raise bad_query("$expand works on the first level only.")
        if not equals or name not in {"$select", "$filter", "$orderby", "$top"}:
            raise bad_query(
                f"'{part.strip()[:80]}' is not an option of $expand; use $select, $filter, $orderby or $top."
            )
        given[name] = value
    return given
