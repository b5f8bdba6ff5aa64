"""Steps of a task that were done, kept in the run folder under the address of what they were made from.

The address of a step is a hash of the code, of what the step was told and of the addresses of the steps it stands on:
the same address means the same output, so a run that is taken up again reads it instead of making it. Tables lie beside
the value as Arrow files and are mapped from disk, so that a step comes back in milliseconds.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from p2c_lib.run_folder import keep

__all__ = ["KeptSteps", "address_of", "code_version", "done_by", "rules_address"]

FILE, VALUE, TEMPLATE = "steps.json", "value", "template"
# Code that starts, shows and tells, and makes no step.
ASIDE = {"cli", "connecting", "history", "notices", "runs", "sandbox", "schedule", "widgets"}
# Beyond this much the disk is slower than the step.
MOST_BYTES = 256 * 1024 * 1024
# A kept value is made of the workbench's own data classes and of these; whatever else a file asks for is refused.
VALUES = {
    "builtins": {"set", "frozenset", "complex", "slice", "range"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "pathlib": {"PosixPath", "WindowsPath"},
    "pathlib._local": {"PosixPath", "WindowsPath"},
    "pyarrow.lib": {"decimal128", "field", "list_", "schema", "struct", "time64", "timestamp", "type_for_alias"},
}


@cache
def code_version() -> str:
    """The hash of the code that makes steps: after an update no step of before is taken for one of today."""
    root = Path(__file__).parent
    found = sha256()
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root)
        if place.parts[0] not in ASIDE:
            found.update(place.as_posix().encode() + file.read_bytes())
    return found.hexdigest()


def address_of(*parts: Any) -> str:
    """The hash of plain values.

    >>> address_of("map", ["a", 1]) == address_of("map", ("a", 1))
    True
    """
    return sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()


def rules_address(template: Any, suites: Sequence[Path]) -> str:
    """The address of what a task is walked by: the code, its template and its suites."""
    return address_of(code_version(), template.sha, [sha256(path.read_bytes()).hexdigest() for path in suites])


def done_by(folder: Path) -> str | None:
    """The address of the rules a task was done by, from its folder; None where it is not done."""
    rules: str | None = KeptSteps(folder, None).done.get("finish", {}).get("address")
    return rules


class KeptSteps:
    """The steps of one task that are done, each with its address, the hash of its output and its seconds."""

    def __init__(self, folder: Path, template: Any) -> None:
        self._folder, self._template = folder, template
        self.done: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError, AttributeError):
            found = json.loads((folder / FILE).read_text("utf-8"))
            self.done = {step: facts for step, facts in found.items() if isinstance(facts, dict)}

    def load(self, step: str, address: str) -> Any:
        """The output of a step with this address; None where there is none, or its files are not those that were kept.

        What was damaged, or had a secret taken out, is made again.
        """
        facts, place = self.done.get(step, {}), self._folder / "steps" / step
        if facts.get("address") != address:
            return None
        try:
            return _Reader(place, self._template).load() if facts.get("kept") == _hash_of(place) else None
        except Exception:  # a file that nobody knows may make the readers raise anything
            return None

    def keep(self, step: str, address: str, value: Any, seconds: float) -> None:
        """Keep the output of a step, or only its hash where it is too large or holds what cannot be kept."""
        place = self._folder / "steps" / step
        try:
            output = _Writer(place, self._template).write(value)
        except (pickle.PicklingError, TypeError, AttributeError):
            shutil.rmtree(place, ignore_errors=True)
            output = ""
        facts = {"address": address, "output": output, "seconds": round(seconds, 3)}
        self.done[step] = facts | ({"kept": _hash_of(place)} if (place / VALUE).is_file() else {})
        keep(self._folder, self.done, FILE)

    def forget(self) -> None:
        """No step is done: what was kept of them is not what they gave."""
        self.done = {}
        keep(self._folder, self.done, FILE)
        shutil.rmtree(self._folder / "steps", ignore_errors=True)

    def finish(self, rules: str) -> None:
        """The task is done by these rules: its values are not needed again; addresses and hashes stay."""
        self.done["finish"] = {"address": rules}
        keep(self._folder, self.done, FILE)
        shutil.rmtree(self._folder / "steps", ignore_errors=True)


class _Writer(pickle.Pickler):
    """Writes a value, each table into a file of its own."""

    def __init__(self, folder: Path, template: Any) -> None:
        self._folder, self._template, self._buffer = folder, template, io.BytesIO()
        self._tables: list[pa.Table] = []
        self._places: dict[int, int] = {}
        super().__init__(self._buffer, protocol=5)

    def persistent_id(self, thing: Any) -> int | str | None:
        """The number of a table's file; the template is not kept with every step, its hash is in the address."""
        if thing is self._template:
            return TEMPLATE
        if not isinstance(thing, pa.Table):
            return None
        if id(thing) not in self._places:
            self._places[id(thing)] = len(self._tables)
            self._tables.append(thing)
        return self._places[id(thing)]

    def write(self, value: Any) -> str:
        """Write everything; the hash of the tables' rows, without the workbench's own columns."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.dump(value)
        self._tables = [table.combine_chunks() for table in self._tables]
        if sum(table.nbytes for table in self._tables) <= MOST_BYTES:
            self._folder.mkdir(parents=True)
            for number, table in enumerate(self._tables):
                with pa.OSFile(str(self._folder / f"{number}.arrow"), "wb") as sink, _file(sink, table) as file:
                    file.write_table(table)
            (self._folder / VALUE).write_bytes(self._buffer.getvalue())
        return _sha(self._tables)


class _Reader(pickle.Unpickler):
    """Reads a value that was kept; tables are mapped from disk."""

    def __init__(self, folder: Path, template: Any) -> None:
        self._folder, self._template = folder, template
        super().__init__(io.BytesIO((folder / VALUE).read_bytes()))

    def persistent_load(self, number: Any) -> Any:
        """A table by its number, or the template."""
        if number == TEMPLATE:
            return self._template
        return pa.ipc.open_file(pa.memory_map(str(self._folder / f"{int(number)}.arrow"))).read_all()

    def find_class(self, module: str, name: str) -> Any:
        """Data classes of the workbench, and what VALUES names: nothing that acts, nor anything reached through it."""
        if name in VALUES.get(module, ()):
            return super().find_class(module, name)
        if module.startswith("p2c_lib.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and is_dataclass(found) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a value")


def _hash_of(folder: Path) -> str:
    """The hash of the files of a step, of their names too."""
    found = sha256()
    for file in sorted(folder.iterdir()):
        found.update(file.name.encode() + sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _file(sink: Any, table: pa.Table) -> Any:
    return pa.ipc.new_file(sink, table.schema)


def _sha(tables: list[pa.Table]) -> str:
    found = sha256()
    for table in tables:
        rows = table.select([name for name in table.column_names if not name.startswith("@")])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as stream:
            stream.write_table(rows.replace_schema_metadata(None))
        found.update(sink.getvalue())
    return found.hexdigest()
