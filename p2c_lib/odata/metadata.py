"""Entity sets as their service describes them, fetched once in a while; kept between runs by their etags.

Administrators publish columns, choices and precisions while sessions stand open for a day, so no answer is believed for
longer than ten minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from p2c_lib.errors import FrameError, IncompleteRead, NoRoute, NotFound, UnknownName
from p2c_lib.odata import metadata_finops, metadata_sales
from p2c_lib.odata.ask import NEXT, ask_list, ask_tagged, whole_list
from p2c_lib.odata.characters import shown
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.precision import Precisions, read_precisions
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender
from p2c_lib.odata.shelf import Shelf
from p2c_lib.odata.sound import named, sound
from p2c_lib.waiting import threads

__all__ = ["Metadata"]

ASKED_AT_ONCE = 6
BELIEVED = 600.0  # seconds: a run asks once, a notebook that is open for long sees what was published meanwhile
SETS = "entity sets"
T = TypeVar("T")


class Metadata:
    """The schemas of one service; each is asked for once in ten minutes, by any number of threads.

    With a ``shelf`` an answer outlives the process: the service is asked whether it still stands, by its etag.
    """

    def __init__(self, sender: Sender, dialect: Dialect, shelf: Shelf | None = None) -> None:
        self._sender, self._dialect, self._shelf = sender, dialect, shelf
        self._lock = threading.RLock()
        self._schemas: dict[str, EntitySchema] = {}
        self._sets: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}
        self._enums: dict[str, Mapping[int, str]] = {}

    def schema(self, entity_set: str) -> EntitySchema:
        """The schema of an entity set. Raises UnknownName with the nearest name where there is none."""
        with self._lock:
            found = self._schemas.get(entity_set)
            if found is None:
                return self._described(entity_set)
            return found if self._is_believed(entity_set) else self.renewed(entity_set)

    def renewed(self, entity_set: str) -> EntitySchema:
        """The schema of an entity set as it is by now, asked for again. Raises UnknownName where it is gone."""
        with self._lock:
            self._enums.clear()
            return self._described(entity_set)

    def _described(self, entity_set: str) -> EntitySchema:
        """The schema as the service tells it; where it is as it was, the very same one."""
        began = self._sender.now()
        read = self._sales if self._dialect.app == "sales" else self._finops
        found, known = self._understood(lambda: sound(read(entity_set)), entity_set), self._schemas.get(entity_set)
        self._asked_at[entity_set] = began
        self._schemas[entity_set] = known if known is not None and known == found else found
        return self._schemas[entity_set]

    def _is_believed(self, what: str) -> bool:
        return self._sender.now() - self._asked_at[what] < BELIEVED

    def _understood(self, read: Callable[[], T], target: str) -> T:
        """What ``read`` makes of answers. Raises IncompleteRead for answers that it cannot make anything of."""
        try:
            return read()
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            if self._shelf is not None and self._shelf.trusted:
                self._shelf.trusted = False  # what was kept may be at fault: all is asked for anew, and kept anew
                return self._understood(read, target)
            said = f"{type(error).__name__}: {shown(str(error))[:200]}"
            raise IncompleteRead(
                f"{target}: the service's metadata cannot be understood ({said}).",
                target=target,
                hint="Look at its metadata in a browser: something between here and the service may change answers.",
            ) from error

    def set_of(self, logical_name: str) -> str:
        """The entity set of a table or entity by its logical name."""
        sets = self._names()
        for entity_set, name in sets.items():
            if name == logical_name:
                return entity_set
        raise UnknownName("table", logical_name, sets.values(), where=self._dialect.app)

    def get_json(self, url: str, target: str) -> dict[str, Any]:
        """A JSON object from the service, a list with all its pages.

        Raises what the service's error stands for, or IncompleteRead.
        """
        kept = self._shelf.find(url) if self._shelf is not None else None
        answer = ask_tagged(self._sender, url, self._dialect.headers, target, kept)
        if NEXT in answer.content:  # an etag is of one page, so pages are not kept
            return whole_list(self._sender, answer.content, url, self._dialect.headers, target)
        if self._shelf is not None and answer is not kept:
            self._shelf.keep(url, answer)
        return answer.content

    def precisions(self) -> Precisions:
        """How many decimals the organisation keeps of money now; asked for anew each time. F&O says nothing of it."""
        if self._dialect.app != "sales":
            return Precisions()
        return self._understood(lambda: read_precisions(self._rows), "precisions")

    def _rows(self, url: str, target: str) -> dict[str, Any]:
        return ask_list(self._sender, url, self._dialect.headers, target)

    def _names(self) -> dict[str, str]:
        """Every entity set with the logical name of its rows."""
        with self._lock:
            if not self._sets or not self._is_believed(SETS):
                began = self._sender.now()
                names = metadata_sales.sets if self._dialect.app == "sales" else metadata_finops.sets
                self._sets = self._understood(lambda: named(names(self.get_json)), SETS)
                self._asked_at[SETS] = began
            return self._sets

    def _sales(self, entity_set: str) -> EntitySchema:
        sets = self._names()
        if entity_set not in sets:
            raise UnknownName("entity set", entity_set, sets, where="Sales")
        urls = metadata_sales.urls(sets[entity_set])
        answers = self._together([(url, entity_set) for url in urls.values()])
        parts = dict(zip(urls, answers, strict=True))
        by_table = {name: entity for entity, name in sets.items()}
        return metadata_sales.schema(parts, by_table)

    def _finops(self, entity_set: str) -> EntitySchema:
        try:
            found = self.get_json(metadata_finops.entity_url(entity_set), entity_set).get("value") or []
        except (NoRoute, NotFound, FrameError):
            found = []
        if not found:
            raise UnknownName("entity set", entity_set, self._names(), where="F&O")
        wanted = [name for name in metadata_finops.enum_names(found[0]) if name not in self._enums]
        answers = self._together([(metadata_finops.enum_url(name), name) for name in wanted])
        self._enums |= {name: metadata_finops.members(body) for name, body in zip(wanted, answers, strict=True)}
        return metadata_finops.schema(found[0], self._enums)

    def _together(self, asks: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """The answers of several requests at once, in order."""
        with threads(ASKED_AT_ONCE) as pool:
            return list(pool.map(lambda ask: self.get_json(*ask), asks))
