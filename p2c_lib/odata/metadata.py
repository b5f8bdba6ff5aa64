"""Entity sets as their service describes them, fetched once in a while; kept between runs by their etags.

Administrators publish columns, choices and precisions while sessions stand open for a day, so no answer is believed for
longer than ten minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from p2c_lib.errors import FrameError, IncompleteRead, NoRoute, NotFound, P2CError, Rejected, UnknownName
from p2c_lib.odata import metadata_finops, metadata_sales
from p2c_lib.odata.ask import NEXT, ask_list, ask_tagged, whole_list
from p2c_lib.odata.characters import shown
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.precision import Precisions, read_precisions
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender
from p2c_lib.odata.shelf import Shelf, Tagged
from p2c_lib.odata.sound import named, sound
from p2c_lib.waiting import threads

__all__ = ["Metadata"]

ASKED_AT_ONCE = 6
BELIEVED = 600.0  # seconds: a run asks once, a notebook that is open for long sees what was published meanwhile
ASKED_AGAIN = 60.0  # seconds until metadata that could not be had are asked for once more
SETS = "entity sets"
T = TypeVar("T")
# What a wrong answer looks like to those who read it; what was kept is asked for anew before any of it is told.
UNKNOWN = (UnknownName, NoRoute, NotFound, FrameError, Rejected)
MISUNDERSTOOD = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, *UNKNOWN)


class Metadata:
    """The schemas of one service; each is asked for once in ten minutes, by any number of threads.

    With a ``shelf`` an answer outlives the process: the service is asked whether it still stands, by its etag. What was
    kept is believed no further than that: before anything is said to be unknown, the service is asked anew, once. Kept
    is only what a sound schema, or a list of sets, was made of.
    """

    def __init__(self, sender: Sender, dialect: Dialect, shelf: Shelf | None = None) -> None:
        self._sender, self._dialect, self._shelf = sender, dialect, shelf
        self._lock = threading.RLock()
        self._schemas: dict[str, EntitySchema] = {}
        self._sets: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}
        self._enums: dict[str, Mapping[int, str]] = {}
        self._taken = False
        self.mended = 0
        self._fresh: dict[str, Tagged] = {}

    def schema(self, entity_set: str) -> EntitySchema:
        """The schema of an entity set. Raises UnknownName with the nearest name where there is none."""
        with self._lock:
            found = self._schemas.get(entity_set)
            if found is None:
                return self._described(entity_set)
            return found if self._is_believed(entity_set) else self._looked_at_again(found)

    def _looked_at_again(self, known: EntitySchema) -> EntitySchema:
        """The schema as it is by now; as it was known where it cannot be asked for, so that no work in hand breaks off.

        Raises what says that the set is gone, where the service itself says so.
        """
        try:
            return self.renewed(known.entity_set)
        except P2CError as error:
            if isinstance(error, UnknownName) or (isinstance(error, NotFound | NoRoute) and error.told):
                raise
            self._asked_at[known.entity_set] = self._sender.now() - BELIEVED + ASKED_AGAIN
            return known

    def renewed(self, entity_set: str) -> EntitySchema:
        """The schema of an entity set as it is by now, asked for again. Raises UnknownName where it is gone."""
        with self._lock:
            self._enums.clear()
            return self._described(entity_set)

    def _described(self, entity_set: str) -> EntitySchema:
        """The schema as the service tells it; where it is as it was, the very same one."""
        began = self._sender.now()
        read = self._sales if self._dialect.app == "sales" else self._finops
        found, known = (
            self._understood(lambda: _whole(sound(read(entity_set))), entity_set),
            self._schemas.get(entity_set),
        )
        if known is None or known != found:
            self._schemas[entity_set] = found
            object.__setattr__(found, "anew", self.put_right)
        self._asked_at[entity_set] = began
        self._keep()
        return self._schemas[entity_set]

    def put_right(self) -> bool:
        """Give up what was kept and ask for all that is in use anew; whether any of it was not so.

        What was not is put right for everybody who holds it. Once nothing of what was kept is in use, this is False.
        """
        with self._lock:
            if not self._given_up():
                return False
            found = [self._is_put_right(name) for name in tuple(self._schemas)]
            self.mended += any(found)
            return any(found)

    def _is_put_right(self, entity_set: str) -> bool:
        held = self._schemas[entity_set]
        try:
            now = self._described(entity_set)
        except P2CError:  # that it is gone is told where it is asked for
            return False
        if now is held:
            return False
        held.take_over(now)
        self._schemas[entity_set] = held
        return True

    def _given_up(self) -> bool:
        """Whether something of what was kept was in use; from now on nothing is."""
        if self._shelf is None or not self._taken or not self._shelf.trusted:
            return False
        self._shelf.trusted = False
        self._sets, self._fresh = {}, {}
        self._enums.clear()
        return True

    def _is_believed(self, what: str) -> bool:
        asked_at = self._asked_at.get(what)
        return asked_at is None or self._sender.now() - asked_at < BELIEVED

    def _understood(self, read: Callable[[], T], target: str) -> T:
        """What ``read`` makes of answers. Raises IncompleteRead for answers that it cannot make anything of."""
        try:
            return read()
        except MISUNDERSTOOD as error:
            if self._given_up():  # what was kept may be at fault: all is asked for anew, and kept anew
                return self._understood(read, target)
            self._fresh = {}
            if isinstance(error, P2CError):
                raise
            raise IncompleteRead(
                f"{target}: the service's metadata cannot be understood ({_in_words(error)}).",
                target=target,
                hint="Look at its metadata in a browser: something between here and the service may change answers.",
            ) from error

    def set_of(self, logical_name: str) -> str:
        """The entity set of a table or entity by its logical name."""
        with self._lock:
            found = self._understood(lambda: self._set_of(logical_name), logical_name)
            self._keep()
            return found

    def _set_of(self, logical_name: str) -> str:
        sets = self._names()
        for entity_set, name in sets.items():
            if name == logical_name:
                return entity_set
        raise UnknownName("table", logical_name, sets.values(), where=self._dialect.app)

    def get_json(self, url: str, target: str) -> dict[str, Any]:
        """A JSON object from the service, a list with all its pages.

        Raises what the service's error stands for, or IncompleteRead.
        """
        return self._told(url, target, self._shelf.keep if self._shelf is not None else None)

    def _part(self, url: str, target: str) -> dict[str, Any]:
        """A part of a description, which is kept once the whole of it was understood."""
        return self._told(url, target, self._fresh.__setitem__)

    def _told(self, url: str, target: str, keep: Callable[[str, Tagged], None] | None) -> dict[str, Any]:
        kept = self._shelf.find(url) if self._shelf is not None else None
        answer = ask_tagged(self._sender, url, self._dialect.headers, target, kept)
        if NEXT in answer.content:  # an etag is of one page, so pages are not kept
            return whole_list(self._sender, answer.content, url, self._dialect.headers, target)
        if answer is kept:
            self._taken = True
        elif keep is not None:
            keep(url, answer)
        return answer.content

    def _keep(self) -> None:
        """Put on the shelf what a description was made of."""
        fresh, self._fresh = self._fresh, {}
        if self._shelf is not None:
            for url, answer in fresh.items():
                self._shelf.keep(url, answer)

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
                self._sets = self._understood(lambda: _some(named(names(self._part))), SETS)
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
            found = self._part(metadata_finops.entity_url(entity_set), entity_set)["value"]
            if not isinstance(found, list):
                raise ValueError("its list of entities is none")
        except (NoRoute, NotFound) as error:
            if not error.told:  # whoever said so knows nothing of the set
                raise
            found = []
        except FrameError:
            found = []
        if not found:
            raise UnknownName("entity set", entity_set, self._names(), where="F&O")
        wanted = [name for name in metadata_finops.enum_names(found[0]) if name not in self._enums]
        answers = self._together([(metadata_finops.enum_url(name), name) for name in wanted])
        for name, body in zip(wanted, answers, strict=True):
            if not body.get("Members"):  # no enumeration is without: it is used as it came, and not kept
                self._fresh.pop(metadata_finops.enum_url(name), None)
        self._enums |= {name: metadata_finops.members(body) for name, body in zip(wanted, answers, strict=True)}
        return metadata_finops.schema(found[0], self._enums)

    def _together(self, asks: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """The answers of several requests at once, in order."""
        with threads(ASKED_AT_ONCE) as pool:
            return list(pool.map(lambda ask: self._part(*ask), asks))


def _in_words(error: Exception) -> str:
    """What is wrong with an answer, by what reading it came to: Python's own words name no part of it."""
    if isinstance(error, KeyError):
        return f"there is no {shown(str(error.args[0]))[:100]} in it" if error.args else "a name lacks in it"
    if isinstance(error, LookupError):
        return "a list in it has fewer parts than it should have"
    if isinstance(error, (TypeError, AttributeError)):
        return "a part of it is of another type than it should be: a list, a text, a number or null in its place"
    return shown(str(error))[:200] or type(error).__name__


def _some(sets: dict[str, str]) -> dict[str, str]:
    """The sets themselves. Raises ValueError where there is none: no service is without."""
    if not sets:
        raise ValueError("there is no entity set in it")
    return sets


def _whole(schema: EntitySchema) -> EntitySchema:
    """The schema itself. Raises ValueError where it has no column: no set is without."""
    if not schema.columns:
        raise ValueError("there is no column in it")
    return schema
