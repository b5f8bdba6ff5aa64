"""``RetrieveMetadataChanges``: definitions by an object-shaped query, and none while the client's stamp is current."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from p2c_lib.sandbox.dataverse import csdl, definitions
from p2c_lib.sandbox.dataverse.arguments import loose_json
from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.operation_types import OPERATORS
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.wire import Refusal

Row = Mapping[str, Any]
# What every definition tells whether it is asked for or not.
_ALWAYS = ("MetadataId", "LogicalName", "SchemaName", "HasChanged")
_PARTS = {
    "Attributes": "AttributeQuery",
    "Keys": "KeyQuery",
    "OneToManyRelationships": "RelationshipQuery",
    "ManyToOneRelationships": "RelationshipQuery",
    "ManyToManyRelationships": "RelationshipQuery",
}


def stamp(switches: SalesSwitches) -> str:
    """The version of the metadata, as a client sends it back: it changes with the schema and the switches on it."""
    facts = (csdl.document(), sorted(switches.without_tracking), sorted(switches.pending_keys))
    number = int(hashlib.sha256(repr(facts).encode()).hexdigest()[:7], 16)
    return f"{number}!01/07/2019 08:00:00"


def changes(switches: SalesSwitches, given: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the answer; `Refusal` for a query that names what is not there or for an expired stamp."""
    current, known = stamp(switches), given.get("ClientVersionStamp")
    if known not in {None, "", current}:
        message = "Version stamp associated with the client has expired. Please perform a full sync."
        raise Refusal(400, "0x80044352", message)
    query = given.get("Query")
    found = [] if known else _entities(switches, query)
    deleted = {"Count": 0, "IsReadOnly": False, "Keys": [], "Values": []} if known else None
    return {"EntityMetadata": found, "ServerVersionStamp": current, "DeletedMetadata": deleted}


def _entities(switches: SalesSwitches, query: Row | None) -> list[dict[str, Any]]:
    languages = _languages(query)
    every = [dict(definitions.definition(one.name)) for one in sets().values()]
    for one in every:
        if one["LogicalName"] in switches.without_tracking:
            one["ChangeTrackingEnabled"] = False
    kept = [one for one in every if _fits(one, (query or {}).get("Criteria"))]
    return [_in_languages(_entity(one, query), languages) for one in kept]


def _entity(one: Row, query: Row | None) -> dict[str, Any]:
    asked = None if query is None else query.get("Properties")
    shown = _chosen(one, asked, everything=query is None, parts=_PARTS)
    names = list(_PARTS) if _all(asked) or query is None else [n for n in _names(asked) if n in _PARTS]
    for name in names:
        inner = (query or {}).get(_PARTS[name])
        rows = definitions.PARTS[name](one["LogicalName"]) if name in definitions.PARTS else []
        kept = [row for row in rows if _fits(row, (inner or {}).get("Criteria"))]
        shown[name] = [_complex(row, inner) for row in kept]
    return shown


def _complex(row: Row, query: Row | None) -> dict[str, Any]:
    """A column, key or relationship in the complex form of its type."""
    shown = _chosen(row, None if query is None else query.get("Properties"), everything=query is None, parts={})
    kind = str(row.get("@odata.type", "")).rpartition(".")[2]
    return {"@odata.type": f"#{NAMESPACE}.Complex{kind}", **shown} if kind else shown


def _all(asked: object) -> bool:
    return isinstance(asked, dict) and asked.get("AllProperties") is True


def _names(asked: object) -> Sequence[str]:
    return (asked.get("PropertyNames") if isinstance(asked, dict) else None) or ()


def _chosen(row: Row, asked: object, *, everything: bool, parts: Mapping[str, str]) -> dict[str, Any]:
    own = {name: value for name, value in row.items() if not name.startswith("@")}
    if everything or _all(asked):
        return own
    names = _names(asked)
    for name in names:
        if name not in own and name not in parts and name not in _ANYWHERE:
            raise bad_argument(f"The property '{name[:80]}' is not a property of this metadata.")
    return {name: own[name] for name in (*_ALWAYS, *names) if name in own}


# Members that some types of columns have and others not: to ask for them is no mistake.
_ANYWHERE = frozenset(
    {
        "OptionSet", "GlobalOptionSet", "DefaultFormValue", "DefaultValue", "MaxLength", "DatabaseLength", "Format",
        "FormatName", "ImeMode", "IsLocalizable", "YomiOf", "FormulaDefinition", "SourceTypeMask", "MinValue",
        "MaxValue", "Precision", "PrecisionSource", "CalculationOf", "IsBaseCurrency", "Targets", "DateTimeBehavior",
        "CanChangeDateTimeBehavior", "MaxHeight", "MaxWidth", "MaxSizeInKB", "IsPrimaryImage", "CanStoreFullImage",
        "ParentPicklistLogicalName", "ChildPicklistLogicalNames", "LogicalName",
    }
)  # fmt: skip


# -- criteria ---------------------------------------------------------------------------------------------------------


def _fits(row: Row, criteria: Row | None) -> bool:
    if criteria is None:
        return True
    results = [_holds(row, one) for one in criteria.get("Conditions") or ()]
    results += [_fits(row, one) for one in criteria.get("Filters") or ()]
    either = criteria.get("FilterOperator") in ("Or", 1)
    return (any(results) if either else all(results)) if results else True


def _holds(row: Row, condition: Row) -> bool:
    if condition.get("PropertyName") is None:
        raise bad_argument("A condition needs PropertyName, ConditionOperator and Value.")
    name, operator = condition["PropertyName"], condition.get("ConditionOperator") or "Equals"
    if isinstance(operator, int):
        operator = next(one for one, number in OPERATORS.items() if number == operator)
    if name not in row and name not in _ANYWHERE:
        raise bad_argument(f"The property '{name[:80]}' is not a property of this metadata.")
    wanted, own = _wanted(condition.get("Value"), several=operator in {"In", "NotIn"}), _text(row.get(name))
    if operator in {"In", "NotIn"}:
        return (own in wanted) is (operator == "In")
    if operator in {"Equals", "NotEquals"}:
        return (own == next(iter(wanted), None)) is (operator == "Equals")
    return _ORDER[operator](_number(own), _number(next(iter(wanted), None)))


_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda a, b: a > b,
    "LessThan": lambda a, b: a < b,
}


def _wanted(value: object, *, several: bool) -> list[str | None]:
    """The texts a condition compares with: one, or for In and NotIn several.

    A list may come as JSON in a text, its texts in quotes of either kind.
    """
    if isinstance(value, dict):
        value = value.get("Value")
    if several and isinstance(value, str) and value.startswith("["):
        value = _listed(value)
    return [_text(one) for one in value] if isinstance(value, list) else [_text(value)]


def _listed(text: str) -> list[object]:
    try:
        found = loose_json(text)
    except (ValueError, RecursionError) as error:
        raise bad_argument("The Value of a condition is no JSON list.") from error
    return found if isinstance(found, list) else [found]


def _text(value: object) -> str | None:
    """A value as conditions compare it: managed properties and type names by their Value, truth in small letters."""
    if isinstance(value, Mapping):
        value = value.get("Value")
    if isinstance(value, bool):
        return str(value).lower()
    text = None if value is None else str(value)
    return text.lower() if text in {"True", "False"} else text


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise bad_argument("GreaterThan and LessThan compare numbers.") from error


# -- labels -----------------------------------------------------------------------------------------------------------


def _languages(query: Row | None) -> frozenset[int] | None:
    wanted = ((query or {}).get("LabelQuery") or {}).get("FilterLanguages")
    return frozenset(wanted) if wanted else None


def _in_languages(value: Any, languages: frozenset[int] | None) -> Any:
    return value if languages is None else labels_in(value, languages)


def labels_in(value: Any, languages: frozenset[int]) -> Any:
    """The same definition with the labels of these languages only."""
    if isinstance(value, Mapping):
        if "LocalizedLabels" in value:
            kept = [one for one in value["LocalizedLabels"] or [] if one["LanguageCode"] in languages]
            return {**value, "LocalizedLabels": kept}
        return {name: labels_in(one, languages) for name, one in value.items()}
    return [labels_in(one, languages) for one in value] if isinstance(value, list) else value
