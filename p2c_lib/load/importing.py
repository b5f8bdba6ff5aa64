"""First loads into F&O: the creates of a plan as one package import, each row's outcome told from the rows there.

A package takes no etag and tells of refused rows only. So rows whose key is there already are not for it, and what it
wrote is seen by looking again: a row counts as written when it holds exactly what was sent, whatever the import's list
of errors says of it. What the package leaves undone without naming the row is for batches, which answer row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError, NotFound, NotSent, ServiceError
from p2c_lib.keys import RowKey
from p2c_lib.load.outcome import APPLIED, DRIFTED, FAILED, LATEST, OPEN, SENT, answer
from p2c_lib.load.words import in_words
from p2c_lib.odata.failures import clean_infolog
from p2c_lib.odata.record_id import is_as_made
from p2c_lib.plan.forecast import PACKAGE

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.load.destination import Destination
    from p2c_lib.load.writes import PlanWriter
    from p2c_lib.odata import PackageResult
    from p2c_lib.plan import Plan

__all__ = ["PackageImport"]

# What the ledger says of an import beside F&O's own final status.
BEGUN, NEVER = "sent", "never begun"
# An import answers no row by itself; these stand for what its list of errors says.
TAKEN, REFUSED = 200, 400

Line = dict[str, Any]


class PackageImport:
    """The one import of a plan, by a name of its own that the ledger knows before F&O does."""

    def __init__(
        self, plan: Plan, writer: PlanWriter, destination: Destination, ledger: Ledger, stop: Callable[[], bool]
    ) -> None:
        self._plan, self._writer, self._destination = plan, writer, destination
        self._ledger, self._stop = ledger, stop
        self.versions: dict[str, str] = {}  # of the rows that were seen there as the import made them, by key

    def await_earlier(self) -> None:
        """Wait for an import that an earlier apply began and did not see the end of.

        What it wrote then shows at the destination. Raises a ServiceError while its end cannot be learned.
        """
        noted = self._ledger.imports(self._plan.id)
        if noted and noted[-1]["state"] == BEGUN:
            execution = noted[-1]["execution"]
            try:
                state = self._writer.client.package_result(execution, stop=self._stop).status
            except NotFound:
                state = NEVER
            self._ledger.importing(self._plan.id, execution, state)

    def fitting(self, rows: pa.Table) -> pa.Table:
        """The rows that go by package: creates of a plan that says so, once, whose keys are not there yet."""
        noted = self._ledger.imports(self._plan.id)
        if self._plan.facts["predicted"]["routes"]["create"] != PACKAGE or (noted and noted[-1]["state"] != NEVER):
            return rows.slice(0, 0)
        creates = rows.filter(pc.equal(rows.column("op"), "create"))
        there = pa.array(list(self._destination.read(creates, ())), pa.string())
        return creates.filter(pc.invert(pc.is_in(creates.column("key"), value_set=there)))

    def send(self, rows: pa.Table) -> Iterator[Line]:
        """What became of each row: ``open`` for those that are left to batches, ``sent`` where nobody can tell yet."""
        execution = f"P2C-{self._plan.id[:24]}-{len(self._ledger.imports(self._plan.id)) + 1}"
        table = _columns(rows)
        try:
            result = self._imported(table, execution)
            there, unlike = self._destination.unlike(rows) if result is not None else ({}, {})
        except ServiceError as error:
            why = f"{error.message} ({LATEST})"
            yield from (answer(at, SENT, error.status, why, execution) for at in rows.column("position").to_pylist())
            return
        refused = self._refused(table, result) if result is not None else {}
        named = rows.column("key").take(pa.array(refused, pa.int64())).to_pylist()  # whoever made these
        mine = there.keys() - unlike.keys() - set(named)
        self.versions = {key: there[key] for key in mine if is_as_made(there[key])}
        for place, row in enumerate(rows.select(["position", "key"]).to_pylist()):
            at, key = row["position"], row["key"]
            state, said = unlike.get(key) or (APPLIED if key in there else OPEN, None)
            if place in refused and state in {OPEN, DRIFTED}:  # the list has warnings too, of rows that were taken
                yield answer(at, FAILED, REFUSED, refused[place], execution)
            elif state != OPEN:
                yield answer(at, state, TAKEN, said, execution)
            else:
                yield answer(at, OPEN, None, "left out by the import", execution)

    def _imported(self, table: pa.Table, execution: str) -> PackageResult | None:
        """The import's result, None where nothing was begun. Raises a ServiceError where that cannot be told."""
        result: PackageResult | None
        self._ledger.importing(self._plan.id, execution, BEGUN)
        try:
            result = self._writer.client.load_package(
                self._destination.entity_set,
                table,
                company=self._writer.company or "",
                execution=execution,
                stop=self._stop,
            )
        except (FrameError, ServiceError) as error:  # an entity that no package knows, a package refused as a whole
            if error.can_retry and not isinstance(error, NotSent):
                raise
            result = None
        self._ledger.importing(self._plan.id, execution, NEVER if result is None else result.status)
        return result

    def _refused(self, table: pa.Table, result: PackageResult) -> dict[int, str]:
        """The rows that the import names as refused, by their place, and why; named by key, else by number from 1."""
        names = [name for name in self._writer.schema.key if name != "dataAreaId"]
        key = RowKey.within(self._writer.schema, names)
        for name in key.optional - set(table.column_names):  # empty in every row, so it was not sent
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        keys = key.texts(table).to_pylist() if set(names) <= set(table.column_names) else []
        places = {each: place for place, each in enumerate(keys)}
        found: dict[int, str] = {}
        for error in result.errors.to_pylist():
            given, within = error["key"], str(error["key"] or "").partition(",")[2]  # with its company before it
            place = places.get(key.given(given), places.get(key.given(within), (error["row"] or 0) - 1))
            if 0 <= place < table.num_rows:
                reason = clean_infolog(error["reason"])
                found[place] = in_words(reason, self._writer.company) or reason
        return found


def _columns(rows: pa.Table) -> pa.Table:
    """What creates hold, without the columns that are empty in all of them."""
    whole = pa.Table.from_struct_array(rows.column("after").combine_chunks())
    return whole.select([name for name in whole.column_names if whole.column(name).null_count < whole.num_rows])
