"""Maps of Data Integrator and dual-write as templates to begin with, and templates as dual-write maps.

The shape of dual-write's export is known second-hand: ``legs`` with ``fieldMappings``, each with source and destination
field, a direction (1 to the destination, 2 back, 3 both) and ``valueTransforms`` in Data Integrator's JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from p2c_lib.display import text_of
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping.paths import columns_of
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.template import FieldRule, Template, checked
from p2c_lib.odata.characters import plain_json

if TYPE_CHECKING:
    from p2c_lib.session import Session

__all__ = ["Imported", "import_map", "rule_parts", "to_dual_write", "transforms_of"]

Direction = Literal["forth", "back"]
FORTH, BACK, BOTH = 1, 2, 3
LENGTH_NAMES = ("length", "maxLength", "truncateLength")


@dataclass(frozen=True)
class Imported:
    """A template made from another tool's map, and ``notes`` on what could not be carried over as it was."""

    template: Template
    notes: tuple[str, ...]


def import_map(
    text: str,
    *,
    task: str,
    key: Mapping[str, str] | None = None,
    leg: int = 0,
    direction: Direction = "forth",
    entities: tuple[str, str] | None = None,
    session: Session | None = None,
) -> Imported:
    """A template to begin with from a dual-write map or a list of Data Integrator's field mappings.

    ``direction`` ``back`` reads a two-way map from its destination to its source. ``key`` pairs the sides' rows (source
    column to destination column); without it the first mapping is taken, and a note says so. ``entities`` names source
    and destination where the map does not, as a bare list of field mappings. With a session, names are brought to the
    spelling of the two systems. Raises ``TemplateError`` for text that is no such map.
    """
    chosen = _leg(text, leg, entities)
    notes: list[str] = []
    sides = (str(chosen.get("sourceSchema", "")), str(chosen.get("destinationSchema", "")))
    source, destination = sides if direction == "forth" else sides[::-1]
    speller = (_Speller.of(source, session), _Speller.of(destination, session))
    fields = [rule for each in chosen["fieldMappings"] if (rule := _rule(each, direction, speller, notes))]
    if not fields:
        raise TemplateError("The map has no field for that direction.", hint="Try the other direction.")
    if key is None:
        first = next((rule for rule in fields if "from" in rule), fields[0])
        key = {str(first.get("from", first["to"])): str(first["to"])}
        notes.append(f"key: not part of the map; {first.get('from')} = {first['to']} is taken, check it")
    filters = chosen.get("sourceFilter" if direction == "forth" else "destinationFilter") or None
    given = {
        "task": task,
        "title": str(chosen.get("name") or task),
        "source": {"app": _app(source), "entity": speller[0].entity, "filter": filters},
        "destination": {"app": _app(destination), "entity": speller[1].entity},
        "key": key,
        "fields": fields,
    }
    return Imported(checked(given), tuple(notes))


def to_dual_write(template: Template) -> str:
    """The template as the JSON of a one-way dual-write map; ``notes`` in it say what that form cannot hold.

    How truncation and country codes are named there is not published; the names here read back as the same steps.
    """
    notes = [
        f"{rule.to}: {step.words} is left out"
        for rule in template.fields
        for step in rule.apply
        if not _transform(step)
    ]
    several = [rule for rule in template.fields if len(rule.paths) > 1]
    notes += [f"{rule.to}: needs {' and '.join(rule.paths)}, left out" for rule in several]
    mappings = [
        {
            "sourceField": rule.paths[0] if rule.paths else "",
            "destinationField": rule.to,
            "syncDirection": FORTH,
            "valueTransforms": transforms_of(rule),
            "isSystemGenerated": False,
        }
        for rule in template.fields
        if rule not in several
    ]
    leg = {
        "sourceSchema": template.source.entity,
        "destinationSchema": template.destination.entity,
        "sourceFilter": template.source.filter or "",
        "fieldMappings": mappings,
    }
    return json.dumps({"name": template.title, "legs": [leg], "notes": notes}, indent=2, ensure_ascii=False) + "\n"


def transforms_of(rule: FieldRule) -> list[dict[str, Any]]:
    """A rule's steps and default as Data Integrator's transform list.

    >>> transforms_of(FieldRule(to="PartyType", default="Person"))
    [{'transformType': 'Default', 'defaultValue': 'Person'}]
    """
    listed = [_transform(step) for step in rule.apply]
    if rule.default is not None:
        listed.append({"transformType": "Default", "defaultValue": text_of(rule.default)})
    return [each for each in listed if each]


def rule_parts(transforms: Any, notes: list[str], where: str) -> dict[str, Any]:
    """``apply`` and ``default`` of a rule from Data Integrator's transform list; what is unknown becomes a note."""
    steps: list[Any] = []
    parts: dict[str, Any] = {}
    for each in transforms if isinstance(transforms, list) else [transforms] if transforms else []:
        kind = str(each.get("transformType", "")).lower() if isinstance(each, Mapping) else ""
        if kind == "default":
            parts["default"] = each.get("defaultValue")
        elif kind == "valuemap" and _is_value_map(each.get("valueMap")):
            pairs = {(key or None): value for key, value in each["valueMap"].items()}
            steps.append({"value_map": pairs})
        elif kind == "truncate" and (length := _digits(each)):
            steps.append({"truncate": int(length)})
        elif kind.startswith("country"):
            steps.append({"country_code": "iso3" if "3" in json.dumps(each) else "iso2"})
        else:
            notes.append(f"{where}: transform {json.dumps(each)[:80]} is not known and was left out")
    return parts | ({"apply": steps} if steps else {})


def _is_value_map(told: object) -> bool:
    """Whether values stand for values there, and nothing that holds further ones."""
    return isinstance(told, Mapping) and not any(isinstance(value, (Mapping, list)) for value in told.values())


def _digits(each: Mapping[str, Any]) -> str:
    """The length that a transform truncates to, as digits; empty where it names none."""
    told = str(next((each[name] for name in LENGTH_NAMES if name in each), ""))
    return told if re.fullmatch(r"[0-9]{1,9}", told) else ""


def _transform(step: Step) -> dict[str, Any]:
    if step.name == "value_map":
        pairs = {text_of(key) or "": text_of(value) for key, value in step.arguments["pairs"].items()}
        return {"transformType": "ValueMap", "valueMap": pairs}
    if step.name == "truncate":
        return {"transformType": "Truncate", "length": step.arguments["length"]}
    if step.name == "country_code":
        return {"transformType": "CountryRegionCode", "format": step.arguments.get("to", "iso2")}
    return {}


@dataclass(frozen=True)
class _Speller:
    """Brings names to the spelling of a system; without a session they stay as they came."""

    entity: str
    columns: Mapping[str, str]

    @classmethod
    def of(cls, entity: str, session: Session | None) -> _Speller:
        plain = entity.replace(" ", "")
        if session is None:
            return cls(plain, {})
        try:
            schema = session.client(_app(entity)).schema(plain)
        except UnknownName as error:
            raise TemplateError(error.message, path="sourceSchema or destinationSchema", hint=error.hint) from None
        return cls(schema.entity_set, {name.lower(): name for name in schema.columns})

    def column(self, path: str) -> str:
        first, dot, rest = path.partition(".")
        return f"{self.columns.get(first.lower(), first)}{dot}{rest}"


def _leg(text: str, number: int, entities: tuple[str, str] | None) -> dict[str, Any]:
    hint = "Give a dual-write map with legs, or a list of field mappings."
    try:
        data = plain_json(text)
    except ValueError as error:
        raise TemplateError(f"The map is no JSON: {error}.", hint=hint) from None
    if isinstance(data, list):
        data = {"legs": [{"fieldMappings": data}]}
    legs = data.get("legs", [data]) if isinstance(data, dict) else []
    if not isinstance(legs, list) or not 0 <= number < len(legs) or not _is_leg(legs[number]):
        raise TemplateError(f"The map has no leg {number} with fieldMappings.", hint=hint)
    named = dict(zip(("sourceSchema", "destinationSchema"), entities or (), strict=False))
    chosen = {"name": data.get("name"), **legs[number], **named}
    missing = [name for name in ("sourceSchema", "destinationSchema") if not chosen.get(name)]
    if missing:
        raise TemplateError(f"{' and '.join(missing)} is missing.", hint="Say which entities the map is between.")
    return chosen


def _is_leg(given: Any) -> bool:
    mappings = given.get("fieldMappings") if isinstance(given, dict) else None
    return isinstance(mappings, list) and all(isinstance(each, dict) for each in mappings)


def _rule(
    each: Mapping[str, Any], direction: Direction, speller: tuple[_Speller, _Speller], notes: list[str]
) -> dict[str, Any] | None:
    came, to = str(each.get("sourceField") or ""), str(each.get("destinationField") or "")
    way = each.get("syncDirection", FORTH)
    where = f"{came or 'none'} -> {to or 'none'}"
    if each.get("isSystemGenerated"):
        notes.append(f"{where}: made by the system, left out")
        return None
    if way not in ((FORTH, BOTH) if direction == "forth" else (BACK, BOTH)):
        notes.append(f"{where}: of the other direction, left out")
        return None
    parts = rule_parts(each.get("valueTransforms"), notes, where)
    if direction == "back":
        came, to = to, came
        parts = _turned(parts, notes, where)
    if not to:
        notes.append(f"{where}: has no destination, left out")
        return None
    rule: dict[str, Any] = {"to": speller[1].column(to), **parts}
    if came and came.lower() != "none":
        rule["from"] = speller[0].column(came)
        try:
            columns_of(rule["from"])
        except ValueError as error:
            notes.append(f"{where}: {error}, left out")
            return None
    if "from" not in rule and "default" not in rule:
        notes.append(f"{where}: has neither source nor default, left out")
        return None
    return rule


def _turned(parts: dict[str, Any], notes: list[str], where: str) -> dict[str, Any]:
    """A rule's parts for the way back: value maps the other way round, a default does not travel."""
    steps = []
    for step in parts.get("apply", []):
        if not (isinstance(step, dict) and "value_map" in step):
            notes.append(f"{where}: {step} does not work backwards and was left out")
            continue
        back: dict[Any, Any] = {}
        for one, other in step["value_map"].items():
            if other in back:
                notes.append(f"{where}: '{other}' has two partners, '{back[other]}' is taken")
            back.setdefault(other, one)
        steps.append({"value_map": back})
    return {"apply": steps} if steps else {}


def _app(entity: str) -> str:
    """Sales names its sets in lower case; F&O does not."""
    return "sales" if entity == entity.lower() else "finops"
