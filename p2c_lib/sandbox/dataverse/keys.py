"""Keys in URLs and in binds: which row ``accounts(accountnumber='A-1')`` is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from p2c_lib.sandbox.dataverse.model import properties, sets
from p2c_lib.sandbox.dataverse.refusals import (
    bad_argument,
    bad_query,
    missing_key,
    missing_row,
    unknown_segment,
    wrong_key,
)
from p2c_lib.sandbox.dataverse.values import stored
from p2c_lib.sandbox.expression import EnumLiteral, Literal, Malformed, parse_key
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, Value
from p2c_lib.sandbox.wire import Refusal, split_url

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SET_WITH_KEY = re.compile(r"(?:^|/)(\w++)\(")
_PLAIN = re.compile(rf"/?(?i:api/data/v\d+\.\d+/)?(\w+)\(({_GUID})\)")
_ALIAS = re.compile(r"(?<==)@\w+(?=,|$)")
# A web server in front of the service refuses these in a path, even encoded.
_BREAKING = set("/<>*%&:\\?+")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an entity: stored values by column; ``alternate`` names the alternate key, ``text`` is as it came."""

    entity: Entity
    values: dict[str, Value]
    alternate: str | None
    text: str

    def missing(self) -> Refusal:
        """The refusal that no such row exists."""
        if self.alternate is not None:
            return missing_key(self.entity)
        return missing_row(self.entity, str(next(iter(self.values.values()))))


def aliased(text: str, raw: Mapping[str, str]) -> str:
    """The key's text with the values of the parameter aliases that stand in it."""
    return _ALIAS.sub(lambda found: raw.get(found.group(), found.group()), text)


def read_key(entity: Entity, text: str) -> Key:
    """The key between the parentheses; `Refusal` (400) when it is none of the entity's."""
    try:
        parts = parse_key(text)
    except Malformed as error:
        raise bad_query(f"The key cannot be read: {error}") from error
    if tuple(parts) in {("",), (entity.key[0],)}:
        name = next(iter(parts))
        value = parts[name]
        if not isinstance(value, Literal) or value.kind not in {"guid", "string"}:
            raise wrong_key(entity)
        if name and entity.name in {"systemuser", "team"}:
            raise bad_query(
                f"The key property '{name}' cannot be named: '{entity.set_name}' inherits its key 'ownerid'."
            )
        return Key(entity, {entity.key[0]: stored(value.value, entity.columns[entity.key[0]], entity)}, None, text)
    return _alternate(entity, parts, text)


def _alternate(entity: Entity, parts: dict[str, Literal | EnumLiteral], text: str) -> Key:
    known = properties(entity)
    if "" in parts or any(name not in known for name in parts):
        raise wrong_key(entity)
    columns = {name: known[name] for name in parts}
    wanted = {column.name for column in columns.values()}
    alternate = next((name for name, key in entity.alternate_keys.items() if set(key) == wanted), None)
    if alternate is None:
        raise wrong_key(entity)
    values = {column.name: _literal(parts[name], column, entity) for name, column in columns.items()}
    return Key(entity, values, alternate, text)


def _literal(literal: Literal | EnumLiteral, column: Column, entity: Entity) -> Value:
    value = literal.value if isinstance(literal, Literal) else literal.member
    if isinstance(value, str) and column.kind in {"string", "memo"} and _BREAKING & set(value):
        shown = next(c for c in value if c in _BREAKING)
        message = f"A potentially dangerous Request.Path value was detected from the client ({shown})."
        raise Refusal(400, "0x80040203", message)
    if value is None:
        raise wrong_key(entity)
    return stored(value, column, entity)


def find(store: Store, key: Key) -> dict[str, Value] | None:
    """The row of a key, or None."""
    return store.find(key.entity, key.values)


def record_of(store: Store, key: Key) -> int:
    """The record number of a key's row; `Refusal` (404) when there is none."""
    record = store.value(key.entity, "_id", key.values)
    if record is None:
        raise key.missing()
    return int(record)


Contents = Callable[[str], str | None]


def bound(store: Store, url: object, contents: Contents) -> tuple[Entity, str]:
    """Entity and primary key that a bind's URL leads to; ``contents`` resolves ``$1`` inside a change set."""
    if not isinstance(url, str) or not url.strip():
        raise bad_argument(f"A bind needs the URL of a row; '{str(url)[:100]}' came.")
    if url.lstrip("/").startswith("$"):
        found = contents(url.lstrip("/"))
        if found is None:
            raise bad_query(f"Content-ID Reference: '{url}' does not exist in the batch context.")
        url = found
    plain = _PLAIN.fullmatch(url)
    if plain is not None and plain.group(1) in sets():
        entity = sets()[plain.group(1)]
        key = Key(entity, {entity.key[0]: plain.group(2).lower()}, None, plain.group(2))
    else:
        key = _from_url(url)
    return key.entity, _primary(store, key)


def _from_url(url: str) -> Key:
    path = split_url(url)[0].strip("/")
    match = _SET_WITH_KEY.search(path)
    if match is None or not path.endswith(")"):
        raise bad_argument(f"'{url[:200]}' is not the URL of a row.")
    entity = sets().get(match.group(1))
    if entity is None:
        raise unknown_segment(match.group(1))
    return read_key(entity, path[match.end() : -1])


def _primary(store: Store, key: Key) -> str:
    found = store.value(key.entity, key.entity.key[0], key.values)
    if found is None:
        raise key.missing()
    return str(found)
