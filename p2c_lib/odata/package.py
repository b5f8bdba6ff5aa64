"""F&O's data packages: a whole entity loaded in one zip, for first loads too large to go row by row."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.days import days
from p2c_lib.display import texts
from p2c_lib.errors import (
    FrameError,
    IncompleteRead,
    NotFound,
    NotSent,
    ServiceError,
    Throttled,
    Unreachable,
    Unsendable,
    Untrusted,
    UrlTooLong,
)
from p2c_lib.odata.ask import ask_json, ask_list
from p2c_lib.odata.characters import plain_json, why_refused
from p2c_lib.odata.encode import without_views
from p2c_lib.odata.literals import encode
from p2c_lib.odata.once import check_table
from p2c_lib.odata.package_kinds import WHOLE_TEXTS, check_kinds
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.statuses import OF_THE_SERVICE
from p2c_lib.odata.telling import tell_wait
from p2c_lib.secrecy import harmless, one_line
from p2c_lib.waiting import Stop, never, unwanted

if TYPE_CHECKING:
    from p2c_lib.odata.client import Client

__all__ = ["PackageResult", "load_package", "package_result"]

ACTIONS = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
SPACES = (
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns="http://schemas.microsoft.com/dynamics/2015/01/DataManagement"'
)
KIND = "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest"
T = TypeVar("T")
FINISHED = frozenset({"Succeeded", "PartiallySucceeded", "Failed", "Canceled"})
GOING_ON = frozenset({"Unknown", "NotRun", "Queued", "Executing"})
LONGEST_LABEL = 1_000  # characters; F&O's own have 250, and a zip has no name of 65,536
SAID = 200
GOES_ON = "The import goes on in F&O: the next apply looks what became of it. Its data management tells too."
ROWS_AT_ONCE = 50_000
SECONDS = len("2026-01-31 12:00:00")  # finer ones F&O does not hold
QUESTIONS = 12  # of one that is answered by no answer: some minutes, in which a gateway comes to itself
FIRST_POLL, LONGEST_POLL = 0.1, 10.0
# F&O knows an import only once its batch server has noted it; one that is unknown for longer was never begun.
NOTED_WITHIN = 20.0
DIGITS = 18  # of a row's number


@dataclass(frozen=True)
class PackageResult:
    """What became of a package: ``errors`` has one line a refused row (``row`` from 1, ``key``, ``reason``)."""

    execution: str
    status: str
    errors: pa.Table

    @property
    def ok(self) -> bool:
        """Whether every row was taken."""
        return self.status == "Succeeded" and self.errors.num_rows == 0


def load_package(
    client: Client,
    entity_set: str,
    table: pa.Table,
    *,
    company: str,
    execution: str | None = None,
    stop: Stop = never,
) -> PackageResult:
    """Imports every row of a table into a company; a row that is there already is overwritten.

    ``execution`` is the name the import is to have, by which ``package_result`` finds it again. Packages take no etag,
    so a row that moved meanwhile is overwritten too.

    Raises UnknownName for a column that is none, FrameError for a row that comes twice (the later would overwrite the
    earlier without a word), for values of another kind than their column's, as ``write_table`` has them refused, for
    Sales and for an entity no package knows, NotSent when it is asked to stop before the import is begun, Rejected and
    the like when the package as a whole is refused, and an error with ``can_retry`` when it may have been imported.
    """
    if client.dialect.app != "finops":
        raise FrameError("Packages are F&O's.", hint="Use write_table for Sales.")
    schema, table = client.schema(entity_set), without_views(table)
    names = [name for name in table.column_names if not name.startswith("@") and name != "dataAreaId"]
    schema.check_columns(names)
    _check_once(schema, table)
    check_kinds(schema, table.select(names))
    label = _label(client, entity_set)
    project = f"P2C_{entity_set}_{uuid4().hex[:8]}"
    with TemporaryDirectory(prefix="p2c-") as folder:
        path = Path(folder) / "package.zip"
        _write_zip(path, table.select(names), schema, label, project)
        url = _upload(client, path, f"{project}.zip")
    if stop():
        raise NotSent("The import was not begun: it was asked to stop.", target=entity_set)
    name = execution or f"P2C-{uuid4()}"
    return package_result(client, _begun(client, url, project, company, name), stop=stop)


def _check_once(schema: EntitySchema, table: pa.Table) -> None:
    """An optional part of the key that the table does not have is empty in every row."""
    names = [name for name in schema.key if name != "dataAreaId"]
    for name in schema.optional.intersection(names) - set(table.column_names):
        table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    if set(names) <= set(table.column_names):
        check_table("upsert", schema, table, names)


def _begun(client: Client, url: str, project: str, company: str, execution: str) -> str:
    """Begin an import; where the answer is lost, its name tells later whether it began."""
    wanted = {"packageUrl": url, "definitionGroupId": project, "executionId": execution, "legalEntityId": company}
    try:
        told = _act(client, "ImportFromPackage", **wanted, execute=True, overwrite=True)
    except ServiceError as error:
        if error.told and error.status in OF_THE_SERVICE:
            raise
        if isinstance(error, (NotSent, Unsendable, UrlTooLong, Untrusted)):
            raise
        return execution
    return told if isinstance(told, str) and told.strip() else execution


def package_result(client: Client, execution: str, *, stop: Stop = never) -> PackageResult:
    """What became of an import, waited for.

    Raises NotFound where F&O itself says that none began, and an error with ``can_retry`` where that is not told or it
    is asked to stop.
    """
    status = _awaited(client, execution, stop)
    return PackageResult(execution, status, _insisted(client, execution, stop, lambda: _errors(client, execution)))


def _insisted(client: Client, execution: str, stop: Stop, ask: Callable[[], T]) -> T:
    """The answer to a question about an import, put again where one comes that is none, within the time budget.

    Whatever comes (a page, a refusal, an error), the import may go on: raises Unreachable in the end.
    """
    began, patience = client.sender.now(), client.sender.patience
    for attempt in count():
        try:
            return ask()
        except ServiceError as error:
            if error.can_retry:
                raise
            wait = patience.wait(attempt)
            if attempt >= QUESTIONS or client.sender.now() - began + wait > patience.budget or unwanted(stop):
                said = f"What became of the import {execution} cannot be learned: {error.message}"
                raise Unreachable(said, status=error.status, target=execution, hint=GOES_ON) from error
            tell_wait("finops", "does not tell of an import; it is asked again", wait, target=execution)
            client.sender.rest(wait, stop)
    raise AssertionError("count() never ends")


def _label(client: Client, entity_set: str) -> str:
    """The name data management knows an entity by: its label, not its OData name."""
    text = encode(f"PublicCollectionName eq '{entity_set}'")
    rows = ask_list(client.sender, f"/metadata/DataEntities?$filter={text}", client.dialect.headers, entity_set)[
        "value"
    ]
    if not rows or not rows[0].get("DataManagementEnabled", True):
        raise FrameError(f"{entity_set} is no data entity that packages know.", hint="Write it with write_table.")
    told = str(rows[0].get("LabelId") or "")
    url = f"/metadata/Labels(Id='{encode(told)}',Language='en-us')"
    label = client.metadata.get_json(url, entity_set).get("Value") if told else None
    if not isinstance(label, str) or not 0 < len(label.strip()) <= len(label) <= LONGEST_LABEL or why_refused(label):
        said = f"F&O's label {told[:60]!r} of the entity cannot be understood: {label!r:.60}"
        raise IncompleteRead(f"{entity_set}: {said}.", target=entity_set)
    return label


def _write_zip(path: Path, table: pa.Table, schema: EntitySchema, label: str, project: str) -> None:
    file = f"{label.replace('/', '-')}.csv"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        with package.open(file, "w", force_zip64=True) as data:
            header = ",".join(name.upper() for name in table.column_names)
            data.write(b"\xff\xfe" + f"{header}\r\n".encode("utf-16-le"))
            for start in range(0, table.num_rows, ROWS_AT_ONCE):
                data.write(_csv(table.slice(start, ROWS_AT_ONCE), schema))
        package.writestr("PackageHeader.xml", _header(project))
        package.writestr("Manifest.xml", _manifest(project, label, file, table.column_names))


def _csv(rows: pa.Table, schema: EntitySchema) -> bytes:
    """Rows as CSV text in UTF-16, every value quoted, nothing where there is nothing, CRLF between rows."""
    pieces: list[Any] = []
    for name in rows.column_names:
        text = _text(rows.column(name), schema.column(name))
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
        pieces.append(pc.fill_null(quoted, ""))
    lines = pc.binary_join_element_wise(*pieces, ",")
    return ("\r\n".join(lines.to_pylist()) + "\r\n").encode("utf-16-le")


def _text(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _text(values.cast(kind.value_type), column)
    if pa.types.is_boolean(kind):
        return pc.if_else(values, "Yes", "No")
    if column.is_day:
        found = texts(pa.chunked_array([days(chunk) for chunk in values.chunks], pa.date32()))
        noon = found if column.edm == "Edm.Date" else pc.binary_join_element_wise(found, "12:00:00", " ")
        return pc.coalesce(noon, texts(values))  # what names no day goes as it came: F&O tells what is wrong with it
    if pa.types.is_timestamp(kind) and column.edm == "Edm.String":
        return texts(values if kind.tz else values.cast(pa.timestamp(kind.unit, "UTC")))
    if pa.types.is_timestamp(kind):
        return pc.utf8_slice_codeunits(pc.replace_substring(texts(values), "T", " "), 0, SECONDS)
    if pa.types.is_date(kind) and column.edm == "Edm.DateTimeOffset":
        return pc.binary_join_element_wise(texts(values), "12:00:00", " ")
    if column.edm in WHOLE_TEXTS and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        plain = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts(values)), r"^\+", "")
        return texts(plain.cast(pa.int64()))
    if column.edm == "Edm.DateTimeOffset":
        return pc.utf8_upper(texts(values))  # JSON takes a small t and z as well
    return texts(values)


def _header(project: str) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><DataManagementPackageHeader {SPACES}>'
        f"<Description>{escape(project)}</Description><ManifestType>{KIND}</ManifestType>"
        "<PackageType>DefinitionGroup</PackageType><PackageVersion>2</PackageVersion></DataManagementPackageHeader>"
    )


def _manifest(project: str, label: str, file: str, columns: list[str]) -> str:
    """The manifest; without a map for each column F&O would import nothing and call it a success."""
    maps = "".join(
        f"<EntityMap><ArrayIndex>0</ArrayIndex><EntityField>{name.upper()}</EntityField>"
        '<EntityFieldConversionList i:nil="true"/><IsAutoDefault>false</IsAutoDefault>'
        "<IsAutoGenerated>false</IsAutoGenerated><IsDefaultValueEqualNull>false</IsDefaultValueEqualNull>"
        f"<UseTextQualifier>true</UseTextQualifier><XMLField>{name.upper()}</XMLField></EntityMap>"
        for name in columns
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><DataManagementPackageManifest {SPACES}>'
        f"<DefinitionGroupName>{escape(project)}</DefinitionGroupName><Description>{escape(project)}</Description>"
        "<PackageEntityList><DataManagementPackageEntityData><DefaultRefreshType>FullPush</DefaultRefreshType>"
        f"<Disable>false</Disable><EntityMapList>{maps}</EntityMapList><EntityName>{escape(label)}</EntityName>"
        f"<InputFilePath>{escape(file)}</InputFilePath><ExecutionUnit>1</ExecutionUnit>"
        "<LevelInExecutionUnit>1</LevelInExecutionUnit><SequenceInLevel>1</SequenceInLevel>"
        "<SkipStaging>false</SkipStaging><SourceFormat>CSV-Unicode</SourceFormat></DataManagementPackageEntityData>"
        "</PackageEntityList></DataManagementPackageManifest>"
    )


def _upload(client: Client, path: Path, name: str) -> str:
    """The address of the uploaded package; it is signed, so the token does not travel there."""
    said = _act(client, "GetAzureWriteUrl", uniqueFileName=name)
    try:
        url = str(plain_json(str(said))["BlobUrl"])
    except (ValueError, KeyError, TypeError):
        raise IncompleteRead("F&O gave no address to upload the package to.", target=name) from None
    client.sender.upload(url, path)
    return url


def _awaited(client: Client, execution: str, stop: Stop) -> str:
    """The final status; asked for less and less often."""
    wait, began, patience = FIRST_POLL, client.sender.now(), client.sender.patience.package_seconds
    while (spent := client.sender.now() - began) < patience:
        status = _insisted(client, execution, stop, lambda: _status(client, execution))
        if status in FINISHED:
            return status
        if status is None and spent > NOTED_WITHIN:
            raise NotFound(f"F&O knows no import {execution}.", status=404, target=execution)
        if unwanted(stop):
            raise Unreachable(f"The import {execution} goes on in F&O; it was asked to stop.", target=execution)
        tell_wait("finops", f"imports a package since {spent:,.0f} s; it is asked again", wait, target=execution)
        client.sender.rest(wait, stop)
        wait = min(wait * 1.7, LONGEST_POLL)
    raise Throttled(
        f"The import {execution} is not done after {patience:,.0f} s.",
        target=execution,
        hint=f"{GOES_ON} To wait longer, raise package_seconds in the connection's patience in p2c.toml.",
    )


def _status(client: Client, execution: str) -> str | None:
    """The status now; None while F&O has not noted the execution. Raises IncompleteRead for what is no status."""
    try:
        told = _act(client, "GetExecutionSummaryStatus", executionId=execution)
    except ServiceError as error:
        if error.told and ("were not found" in error.message or "was not found" in error.message):
            return None
        raise
    if not isinstance(told, str) or told not in FINISHED | GOING_ON:
        said = f"The status of the import {execution} is {one_line(repr(told))[:60]}, which F&O has no import in."
        raise IncompleteRead(said, target=execution, hint=GOES_ON)
    return told


def _errors(client: Client, execution: str) -> pa.Table:
    """The errors of an import, one a row; what is no list of errors is none of no errors, and stands as one."""
    told = _act(client, "GetExecutionErrors", executionId=execution)
    kinds = pa.schema([("row", pa.int64()), ("key", pa.string()), ("reason", pa.string())])
    return pa.Table.from_pylist([_error(each) for each in _listed(told)], kinds)


def _listed(told: object) -> list[object]:
    """The errors that F&O tells, as text that holds JSON or as the list itself."""
    if isinstance(told, str):
        if not told.strip():
            return []
        try:
            told = plain_json(told)
        except ValueError as error:
            return [f"The list of errors cannot be read, {error}: {str(told)[:SAID]}"]
    return told if isinstance(told, list) else [f"The list of errors is none: {json.dumps(told)[:SAID]}"]


def _error(each: object) -> dict[str, object]:
    """One error; what is no object with a message is told as it came."""
    found = each if isinstance(each, dict) else {}
    said = found.get("ErrorMessage") or (each if isinstance(each, str) else json.dumps(each)[:SAID])
    return {
        "row": _number(found.get("RecordId")),
        "key": str(found.get("Key") or ""),
        "reason": harmless(one_line(str(said))),
    }


def _number(said: object) -> int | None:
    text = str(said)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def _act(client: Client, action: str, **parameters: object) -> object:
    """The value of an action; some builds wrap it once more. Raises Rejected and the like with F&O's own words."""
    url, headers = f"{ACTIONS}{action}", {"Content-Type": "application/json"}
    body, once = json.dumps(parameters).encode(), action == "ImportFromPackage"
    value = ask_json(client.sender, url, headers, action, post=body, once=once).get("value")
    return value.get("value") if isinstance(value, dict) else value
