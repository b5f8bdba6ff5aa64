"""Data packages: a zip with a manifest and one data file an entity, read with the rules real ones are read with."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from p2c_lib.sandbox.finops.refusals import action_refused
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.xml_text import DocumentType, parsed_xml

SPACE = "{http://schemas.microsoft.com/dynamics/2015/01/DataManagement}"
LARGEST = 512 * 1024 * 1024
_HEADER = (
    '<?xml version="1.0" encoding="utf-8"?><DataManagementPackageHeader '
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns="http://schemas.microsoft.com/dynamics/2015/01/DataManagement"><Description>{name}</Description>'
    "<ManifestType>Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest"
    "</ManifestType><PackageType>DefinitionGroup</PackageType><PackageVersion>2</PackageVersion>"
    "</DataManagementPackageHeader>"
)


@dataclass(frozen=True)
class PackagePart:
    """One entity of a package: its columns by the names in the file, and its rows as text."""

    entity: Entity
    order: tuple[int, int, int]
    columns: dict[str, str]
    rows: list[dict[str, str]]
    problem: str = ""


def entity_labelled(label: str) -> Entity:
    """The entity of a data management label; the OData name is not one."""
    found = next((one for one in entities("finops").values() if one.label.lower() == label.strip().lower()), None)
    if found is None:
        raise action_refused(f"Entity {label} does not exist in the target environment.")
    return found


def read_package(content: bytes) -> tuple[str, list[PackagePart]]:
    """The project's name and the package's parts in the order they are to be run in."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            if sum(one.file_size for one in package.infolist()) > LARGEST:
                raise action_refused(f"The package holds more than {LARGEST} bytes.")
            names = {name.lower(): name for name in package.namelist()}
            for needed in ("manifest.xml", "packageheader.xml"):
                if needed not in names:
                    raise action_refused(f"The package does not contain the file {needed}.")
            root = _xml(package.read(names["manifest.xml"]), "Manifest.xml")
            _xml(package.read(names["packageheader.xml"]), "PackageHeader.xml")
            parts = [_part(package, names, data) for data in root.iter(f"{SPACE}DataManagementPackageEntityData")]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise action_refused("The package is not a zip file that can be read.") from error
    return _said(root, "DefinitionGroupName"), sorted(parts, key=lambda part: part.order)


def _xml(content: bytes, name: str) -> ElementTree.Element:
    try:
        return parsed_xml(content)
    except DocumentType as error:
        raise action_refused(f"{name} holds a document type, which is not accepted.") from error
    except (ElementTree.ParseError, UnicodeError, LookupError, ValueError) as error:
        raise action_refused(f"{name} is not XML: {error}.") from error


def _said(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(f"{SPACE}{name}") or "").strip()


def _number(element: ElementTree.Element, name: str) -> int:
    text = _said(element, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _part(package: zipfile.ZipFile, names: dict[str, str], data: ElementTree.Element) -> PackagePart:
    entity = entity_labelled(_said(data, "EntityName"))
    order = (
        _number(data, "ExecutionUnit"), _number(data, "LevelInExecutionUnit"), _number(data, "SequenceInLevel")
    )  # fmt: skip
    maps = [(_said(one, "XMLField"), _said(one, "EntityField")) for one in data.iter(f"{SPACE}EntityMap")]
    known = {name.upper(): name for name in entity.columns}
    columns = {source: known[target.upper()] for source, target in maps if target.upper() in known}
    path = _said(data, "InputFilePath")
    if path.lower() not in names:
        raise action_refused(f"The package does not contain the file {path}.")
    content = package.read(names[path.lower()])
    kind = _said(data, "SourceFormat")
    if kind.upper().startswith("XML"):
        return PackagePart(entity, order, columns, _xml_rows(content, path))
    rows, problem = _csv_rows(content, unicode=kind == "CSV-Unicode")
    return PackagePart(entity, order, columns, rows, problem)


def _xml_rows(content: bytes, name: str) -> list[dict[str, str]]:
    return [dict(element.attrib) for element in _xml(content, name)]


def _csv_rows(content: bytes, *, unicode: bool) -> tuple[list[dict[str, str]], str]:
    """The rows of a CSV file, or the problem that keeps the whole file from being read."""
    wide = content.startswith(b"\xff\xfe")
    if unicode and not wide:
        return [], "Selected file is not Unicode."
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return [], "The file's text cannot be decoded."
    if "\n" in text and "\r\n" not in text:
        return [], "The source file's columns do not match the mapping: the first row could not be read."
    try:
        return list(csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")), ""
    except csv.Error as error:
        return [], f"The file is not CSV: {error}."


def write_package(name: str, parts: Iterable[tuple[Entity, Sequence[Sequence[str]]]]) -> bytes:
    """A package of the entities' rows: CSV-Unicode files, all columns mapped, upper-case names."""
    out = io.BytesIO()
    manifest = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for number, (entity, rows) in enumerate(parts, start=1):
            titles = [column.upper() for column in entity.columns]
            package.writestr(f"{_safe(entity.label)}.csv", csv_unicode([titles, *rows]))
            manifest.append(_manifest_part(entity, number))
        package.writestr("PackageHeader.xml", _HEADER.format(name=escape(name)))
        package.writestr("Manifest.xml", _manifest(name, manifest))
    return out.getvalue()


def csv_unicode(rows: Iterable[Sequence[str]]) -> bytes:
    """CSV text in UTF-16 with a byte order mark and CRLF."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return b"\xff\xfe" + text.getvalue().encode("utf-16-le")


def _safe(label: str) -> str:
    return label.replace("/", "-")


def _manifest_part(entity: Entity, number: int) -> str:
    maps = "".join(
        f"<EntityMap><ArrayIndex>0</ArrayIndex><EntityField>{c.upper()}</EntityField>"
        f'<EntityFieldConversionList i:nil="true"/><IsAutoDefault>false</IsAutoDefault>'
        f"<IsAutoGenerated>false</IsAutoGenerated><IsDefaultValueEqualNull>false</IsDefaultValueEqualNull>"
        f"<UseTextQualifier>false</UseTextQualifier><XMLField>{c.upper()}</XMLField></EntityMap>"
        for c in entity.columns
    )
    label = escape(entity.label)
    return (
        "<DataManagementPackageEntityData><DefaultRefreshType>FullPush</DefaultRefreshType><Disable>false</Disable>"
        f"<EntityMapList>{maps}</EntityMapList><EntityName>{label}</EntityName>"
        f"<InputFilePath>{_safe(label)}.csv</InputFilePath><ExecutionUnit>1</ExecutionUnit>"
        f"<LevelInExecutionUnit>1</LevelInExecutionUnit><SequenceInLevel>{number}</SequenceInLevel>"
        "<SkipStaging>false</SkipStaging><SourceFormat>CSV-Unicode</SourceFormat></DataManagementPackageEntityData>"
    )


def _manifest(name: str, parts: list[str]) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><DataManagementPackageManifest '
        'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
        'xmlns="http://schemas.microsoft.com/dynamics/2015/01/DataManagement">'
        f"<DefinitionGroupName>{escape(name)}</DefinitionGroupName><Description>{escape(name)}</Description>"
        f"<PackageEntityList>{''.join(parts)}</PackageEntityList></DataManagementPackageManifest>"
    )
