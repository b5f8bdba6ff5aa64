"""The package API: actions of ``DataManagementDefinitionGroups`` that import and export whole packages.

The work is done when it is asked for; the status is still told as a queue would tell it: first pending, then done.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from p2c_lib.sandbox.exact import number, whole
from p2c_lib.sandbox.finops.blobs import Blobs
from p2c_lib.sandbox.finops.levels import json_answer
from p2c_lib.sandbox.finops.memory_rows import check_options
from p2c_lib.sandbox.finops.package_files import PackagePart, csv_unicode, entity_labelled, read_package, write_package
from p2c_lib.sandbox.finops.refusals import action_refused, bad_body, no_resource
from p2c_lib.sandbox.finops.rules import Row, Rules
from p2c_lib.sandbox.finops.values import NAMESPACE, empty, keyed, stored
from p2c_lib.sandbox.finops.write import body_of, insert, written_over
from p2c_lib.sandbox.schema import Column, Entity, entities, enums
from p2c_lib.sandbox.store import Store, Value, matching, quoted, table
from p2c_lib.sandbox.wire import Answer, Call, Refusal

SET = "DataManagementDefinitionGroups"
_WHOLE_KINDS = {"int", "bigint"}
_TYPES: Mapping[str, type] = {"execute": bool, "overwrite": bool, "reExecute": bool, "failOnError": bool, "count": int}
_IMPORT = ("packageUrl", "definitionGroupId", "executionId", "execute", "overwrite", "legalEntityId")
_EXPORT = ("definitionGroupId", "packageName", "executionId", "reExecute", "legalEntityId")
# What each action takes, as the reference has it; all that are not named take the execution alone.
_TAKES: Mapping[str, tuple[str, ...]] = {
    "GetAzureWriteUrl": ("uniqueFileName",),
    "ImportFromPackage": _IMPORT,
    "ImportFromPackageAsync": (*_IMPORT, "failOnError"),
    "ExportToPackage": _EXPORT,
    "ExportToPackageAsync": _EXPORT,
    "ExportToPackagePreview": (*_EXPORT, "count"),
    "GetImportStagingErrorFileUrl": ("executionId", "entityName"),
    "GenerateImportTargetErrorKeysFile": ("executionId", "entityName"),
    "GetImportTargetErrorKeysFileUrl": ("executionId", "entityName"),
}


@dataclass
class Outcome:
    """What became of one entity of an execution: errors are (row number, key text, message)."""

    entity: Entity
    written: int = 0
    errors: list[tuple[int, str, str]] = field(default_factory=list)
    staging: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Succeeded, PartiallySucceeded or Failed."""
        bad = len(self.errors) + len(self.staging)
        return "Succeeded" if not bad else "PartiallySucceeded" if self.written else "Failed"


@dataclass
class Execution:
    """One import or export; ``polls`` counts how often its status was asked for."""

    outcomes: list[Outcome] = field(default_factory=list)
    package: str = ""
    polls: int = 0
    asked_keys: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        """The execution's status over all its entities."""
        found = {one.status for one in self.outcomes}
        return found.pop() if len(found) == 1 else "PartiallySucceeded" if found else "Succeeded"


class Packages:
    """The data management framework of one environment, over its rows and a blob storage."""

    def __init__(self, store: Store, rules: Rules, blobs: Blobs) -> None:
        self.store, self.rules, self.blobs = store, rules, blobs
        self.executions: dict[str, Execution] = {}
        self.projects: dict[str, list[Entity]] = {}
        self._lock = threading.RLock()
        self.actions: Mapping[str, Callable[[Call, Mapping[str, Any]], object]] = {
            "GetAzureWriteUrl": self._write_url,
            "ImportFromPackage": self._import,
            "ImportFromPackageAsync": self._import,
            "ExportToPackage": self._export,
            "ExportToPackageAsync": self._export,
            "ExportToPackagePreview": self._export,
            "GetExecutionSummaryStatus": self._status,
            "GetExecutionSummaryPageUrl": self._page_url,
            "GetEntityExecutionSummaryStatusList": self._status_list,
            "GetExportedPackageUrl": self._exported,
            "GetExecutionErrors": self._errors,
            "GetImportStagingErrorFileUrl": self._staging_errors,
            "GenerateImportTargetErrorKeysFile": self._make_keys_file,
            "GetImportTargetErrorKeysFileUrl": self._keys_file,
        }

    def answer(self, call: Call, name: str) -> Answer:
        """The answer of an action: its value with the type in the context."""
        action = self.actions.get(name.removeprefix(f"{NAMESPACE}."))
        if action is None or call.method != "POST":
            known = ", ".join(self.actions)
            what = f"{call.method} of {SET}/{name[:80]}" if name else f"The list {SET}"
            raise no_resource(f"{what} is not in this sandbox. POST actions: {known}.")
        check_options(call.options(), ("$format",))
        parameters = body_of(call) if call.body else {}
        _check_parameters(name.removeprefix(f"{NAMESPACE}."), parameters)
        # The store first: inside a batch this thread holds it already.
        with self.store.write(), self._lock:
            value = action(call, parameters)
        kind = "Edm.Boolean" if isinstance(value, bool) else "Edm.String"
        body = {"@odata.context": f"{call.base}/data/$metadata#{kind}", "value": value}
        return json_answer(call, body)

    # -- files -----------------------------------------------------------------------------------------------------

    def _write_url(self, call: Call, given: Mapping[str, Any]) -> str:
        name = _text(given, "uniqueFileName").replace("/", "_")
        address = self.blobs.address(call.base, name)
        return json.dumps({"BlobId": f"{{{str(uuid.uuid4()).upper()}}}", "BlobUrl": address})

    # -- import ----------------------------------------------------------------------------------------------------

    def _import(self, _call: Call, given: Mapping[str, Any]) -> str:
        content = self.blobs.read(_text(given, "packageUrl"))
        if content is None:
            raise action_refused("The package URL cannot be read: it is not of this storage, unsigned or empty.")
        company = _text(given, "legalEntityId").lower()
        if not self.store.exists(entities("finops")["LegalEntities"], {"LegalEntityId": company}):
            raise action_refused(f"The company '{company}' does not exist.")
        named, parts = read_package(content)
        project = str(given.get("definitionGroupId") or named)
        self.projects[project] = [part.entity for part in parts]
        execution = Execution()
        if given.get("execute", True):
            execution.outcomes = [self._run(part, company) for part in parts]
        return self._keep(execution, given)

    def _keep(self, execution: Execution, given: Mapping[str, Any]) -> str:
        number = str(given.get("executionId") or "") or f"{uuid.uuid4()}"
        if number in self.executions:
            raise action_refused(f"The execution '{number[:80]}' exists already.")
        self.executions[number] = execution
        return number

    def _run(self, part: PackagePart, company: str) -> Outcome:
        outcome = Outcome(part.entity)
        if part.problem:
            outcome.staging.append((0, "", part.problem))
            return outcome
        if not part.columns:
            # A part without a map imports nothing and says nothing, as real ones do.
            return outcome
        with self.store.write():
            for number, texts in enumerate(part.rows, start=1):
                self._row(part, company, number, texts, outcome)
        return outcome

    def _row(self, part: PackagePart, company: str, number: int, texts: Mapping[str, str], outcome: Outcome) -> None:
        entity = part.entity
        named = {target: texts.get(source, "") for source, target in part.columns.items()}
        key_text = "|".join(named.get(name, "") for name in entity.key if name != "dataAreaId")
        try:
            row = {
                name: stored(entity, entity.columns[name], _typed(entity.columns[name], text), self.rules.switches)
                for name, text in named.items()
                if text != ""
            }
        except (Refusal, ValueError) as refusal:
            outcome.staging.append((number, key_text, _why(refusal)))
            return
        try:
            with self.store.write():
                self._upsert(entity, company, row)
            outcome.written += 1
        except Refusal as refusal:
            outcome.errors.append((number, key_text, _why(refusal)))

    def _upsert(self, entity: Entity, company: str, row: Row) -> None:
        if entity.companied:
            row["dataAreaId"] = company
        must = [name for name in entity.key if entity.columns[name].required == "application"]
        there = all(row.get(name) not in (None, "") for name in must)
        whole = keyed(entity, row)
        found = self.store.find(entity, {name: whole[name] for name in entity.key}) if there else None
        if found is None:
            insert(entity, row, self.store, self.rules)
        else:
            written_over(entity, found, row, self.store, self.rules)

    # -- export ----------------------------------------------------------------------------------------------------

    def _export(self, call: Call, given: Mapping[str, Any]) -> str:
        project = _text(given, "definitionGroupId")
        company = _text(given, "legalEntityId").lower()
        chosen = self.projects.get(project) or [
            one for one in entities("finops").values() if project in {one.set_name, one.label}
        ]
        if not chosen:
            raise action_refused(f"The data project '{project[:80]}' does not exist.")
        count = given.get("count", 0)
        if count is not None and count < 0:
            raise bad_body("The parameter 'count' takes a whole number from 0; 0 means all rows.")
        parts = [(entity, self._rows(entity, company, count or 0)) for entity in chosen]
        outcomes = [Outcome(entity, len(rows)) for entity, rows in parts]
        name = str(given.get("packageName") or project)
        address = self.blobs.keep(call.base, write_package(name, parts), ".zip")
        return self._keep(Execution(outcomes, address), given)

    def _rows(self, entity: Entity, company: str, count: int) -> list[list[str]]:
        columns = list(entity.columns.values())
        listed = ", ".join(quoted(column.name) for column in columns)
        where, values = matching(entity, {"dataAreaId": company}) if entity.companied else ("1", [])
        limit = f"LIMIT {count}" if count else ""
        sql = f"SELECT {listed} FROM {table(entity)} WHERE {where} ORDER BY _id {limit}"  # noqa: S608 - names of the schema
        rows = self.store.connection.execute(sql, values)
        return [[_shown(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]

    def _exported(self, _call: Call, given: Mapping[str, Any]) -> str:
        execution = self._execution(given)
        if not execution.package:
            raise action_refused("The execution is no export.")
        return execution.package

    # -- what became of it -----------------------------------------------------------------------------------------

    def _execution(self, given: Mapping[str, Any]) -> Execution:
        number = _text(given, "executionId")
        found = self.executions.get(number)
        if found is None:
            raise action_refused(f"The execution details for '{number[:80]}' were not found.")
        return found

    def _status(self, _call: Call, given: Mapping[str, Any]) -> str:
        execution = self._execution(given)
        execution.polls += 1
        pending = (
            ["Queued", "Executing"][-self.rules.switches.package_polls :] if self.rules.switches.package_polls else []
        )
        return pending[execution.polls - 1] if execution.polls <= len(pending) else execution.status

    def _page_url(self, call: Call, given: Mapping[str, Any]) -> str:
        self._execution(given)
        return f"{call.base}/?mi=DM_DataManagementWorkspaceMenuItem&cmp={self.rules.switches.default_company}"

    def _status_list(self, _call: Call, given: Mapping[str, Any]) -> str:
        outcomes = self._execution(given).outcomes
        return json.dumps(
            [{"EntityName": one.entity.label, "Status": one.status, "Count": one.written} for one in outcomes]
        )

    def _errors(self, _call: Call, given: Mapping[str, Any]) -> str:
        listed = [
            {"EntityName": one.entity.label, "RecordId": number, "Key": key, "ErrorMessage": message}
            for one in self._execution(given).outcomes
            for number, key, message in (*one.staging, *one.errors)
        ]
        return json.dumps(listed)

    def _of_entity(self, given: Mapping[str, Any]) -> tuple[Execution, Outcome]:
        execution = self._execution(given)
        entity = entity_labelled(_text(given, "entityName"))
        found = next((one for one in execution.outcomes if one.entity.set_name == entity.set_name), None)
        if found is None:
            raise action_refused(f"Entity {entity.label} is not part of the execution.")
        return execution, found

    def _staging_errors(self, call: Call, given: Mapping[str, Any]) -> str:
        _, outcome = self._of_entity(given)
        if not outcome.staging:
            return ""
        rows = [(str(number), key, message) for number, key, message in outcome.staging]
        return self.blobs.keep(call.base, csv_unicode([("ROW", "KEY", "ERROR"), *rows]), ".csv")

    def _make_keys_file(self, _call: Call, given: Mapping[str, Any]) -> bool:
        _, outcome = self._of_entity(given)
        return bool(outcome.errors)

    def _keys_file(self, call: Call, given: Mapping[str, Any]) -> str:
        """The address of the keys of rows that failed; empty the first time, as while it is being made."""
        execution, outcome = self._of_entity(given)
        name = outcome.entity.set_name
        if not outcome.errors or name not in execution.asked_keys:
            execution.asked_keys.add(name)
            return ""
        keys = [column for column in outcome.entity.key if column != "dataAreaId"]
        rows = [key.split("|") for _, key, _ in outcome.errors]
        return self.blobs.keep(call.base, csv_unicode([[k.upper() for k in keys], *rows]), ".csv")


def _check_parameters(action: str, given: Mapping[str, Any]) -> None:
    """Refuse a parameter that the action does not take, and a value of another type."""
    takes = _TAKES.get(action, ("executionId",))
    for name, value in given.items():
        if name.startswith("@"):
            continue
        if name not in takes:
            raise bad_body(f"The parameter '{name[:80]}' is not one of '{action}', which takes {', '.join(takes)}.")
        kind = _TYPES.get(name, str)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise bad_body(f"The parameter '{name}' of '{action}' is no {_SAID[kind]}; '{str(value)[:80]}' came.")


_SAID: Mapping[type, str] = {bool: "truth value", int: "whole number", str: "text"}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise bad_body(f"The parameter '{name}' is missing or no text.")
    return value.strip()


def _why(refusal: Exception) -> str:
    return (refusal.inner or refusal.message) if isinstance(refusal, Refusal) else str(refusal)


def _typed(column: Column, text: str) -> object:
    """The text of a data file as the JSON value it stands for."""
    if column.kind in _WHOLE_KINDS:
        return whole(text)
    if column.kind == "decimal":
        return _number(text)
    if column.kind == "enum":
        members = enums()[column.enum or ""]
        numbered = {str(value): name for name, value in members.items()}
        folded = {name.lower(): name for name in members}
        return numbered.get(text, folded.get(text.lower(), text))
    if column.kind == "datetime":
        return text.replace(" ", "T") if len(text) == len("2026-01-31 10:00:00") else text
    return text


def _shown(column: Column, value: Value) -> str:
    shown = empty(column) if value is None else value
    return "" if value is None and column.kind == "datetime" else str(shown)


def _number(text: str) -> Decimal:
    try:
        return number(text)
    except InvalidOperation as error:
        raise ValueError(f"'{text[:60]}' is not a number.") from error
