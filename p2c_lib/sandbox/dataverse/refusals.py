"""The ways Dataverse refuses, each with its status, hexadecimal code and wording."""

from __future__ import annotations

from p2c_lib.sandbox.dataverse.documented import documented
from p2c_lib.sandbox.dataverse.model import missing
from p2c_lib.sandbox.dataverse.operations import BY_NAME
from p2c_lib.sandbox.holding import TOO_LONG
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.wire import Refusal

NAMESPACE = "Microsoft.Dynamics.CRM"
_BIND = (
    "An undeclared property '{name}' which only has property annotations in the payload but no property value was "
    "found in the payload. In OData, only declared navigation properties and declared named streams can be "
    "represented as properties without values."
)


def bad_query(message: str) -> Refusal:
    """A query option, expand or batch part that cannot be followed."""
    return Refusal(400, "0x80060888", message)


def bad_payload(message: str) -> Refusal:
    """A body that cannot be read."""
    return Refusal(400, "0x80048d19", f"Error identified in Payload provided by the user for Entity :'', {message}")


def wrong_type(kind: str, expected: str, set_name: str) -> Refusal:
    """A body that says it is of another type than the one it is sent to."""
    return Refusal(
        400,
        "0x80048d19",
        f"Error identified in Payload provided by the user for Entity :'{set_name}', A resource with type '{kind}' was "
        f"found, but it is not assignable to the expected type '{NAMESPACE}.{expected}'. The type specified in the "
        "resource must be equal to either the expected type or a derived type.",
    )


def bad_argument(message: str) -> Refusal:
    """An argument that does not fit."""
    return Refusal(400, "0x80040203", message)


def beyond_database(problem: str) -> Refusal:
    """A query that is more than the database holds, or takes longer than it may."""
    return Refusal(400, "0x80044151", problem) if problem == TOO_LONG else bad_query(problem)


def too_many_conditions() -> Refusal:
    """More conditions (and links, in FetchXML) than one query may have."""
    return Refusal(400, "0x8004430C", "Number of conditions in query exceeded maximum limit.")


def names_type(kind: object, expected: str) -> bool:
    """Whether ``@odata.type`` names a type of the service, qualified or by alias, with ``#`` or without.

    >>> [names_type(f"{form}account", "account") for form in ("#Microsoft.Dynamics.CRM.", "mscrm.", "#mscrm.", "")]
    [True, True, True, False]
    """
    return isinstance(kind, str) and kind.removeprefix("#") in {f"{NAMESPACE}.{expected}", f"mscrm.{expected}"}


def away(name: str, entity: Entity) -> str:
    """The sentence that says of a name of the metadata that nothing is behind it here; nothing for any other name."""
    return f" '{name}' is in the metadata, but not in this sandbox." if name in missing(entity.name) else ""


def unknown_segment(segment: str, known: str | None = None, below: Entity | None = None) -> Refusal:
    """No such entity set, function or action at that address; one that is elsewhere or only documented says so."""
    if below is not None and away(segment, below):
        return Refusal(404, "0x8006088a", f"Resource not found for the segment '{segment}'.{away(segment, below)}")
    here = BY_NAME.get(segment.rpartition(".")[2])
    kind = known or documented(segment)
    if here is not None:
        more = f" The {here.kind} '{here.name}' is called as {here.address}."
    else:
        more = f" The {kind} is documented, but not in this sandbox." if kind else ""
    return Refusal(404, "0x8006088a", f"Resource not found for the segment '{segment}'.{more}")


def not_last(segment: str) -> Refusal:
    """A path that goes on where nothing can follow."""
    return bad_query(
        f"The request URI is not valid. The segment '{segment[:100]}' must be the last segment in the URI because it "
        "is one of the following: $ref, $batch, $count, $value, $metadata, a named media resource, an action, a "
        "noncomposable function, an action import, a noncomposable function import, an operation with void return "
        "type, or an operation import with void return type."
    )


def unknown_property(name: str, entity: Entity) -> Refusal:
    """A query that names a property the type does not have."""
    told = f"Could not find a property named '{name}' on type '{NAMESPACE}.{entity.name}'."
    return bad_query(f"{told}{away(name, entity)}")


def foreign_value(kind: object, expected: str) -> Refusal:
    """A value that says it is of another type than its property."""
    return bad_payload(f"A value with type '{str(kind)[:100]}' was found, but the expected type is '{expected}'.")


def invalid_property(name: str, entity: Entity) -> Refusal:
    """A body with a property the type does not have."""
    return Refusal(
        400,
        "0x80048d19",
        f"Invalid property '{name}' was found in entity '{NAMESPACE}.{entity.name}'. ---> The property '{name}' does "
        f"not exist on type '{NAMESPACE}.{entity.name}'. Make sure to only use property names that are defined by the "
        f"type.{away(name, entity)}",
    )


def undeclared_bind(name: str, entity: Entity) -> Refusal:
    """A bind to a navigation property that does not exist (names are case sensitive)."""
    return Refusal(400, "0x80048d19", f"{_BIND.format(name=name)}{away(name, entity)}")


def wrong_literal(value: object, column: Column, edm: str) -> Refusal:
    """A JSON value of the wrong type."""
    message = (
        f"Cannot convert the literal '{str(value)[:100]}' to the expected type '{edm}'. (property '{column.name}')"
    )
    return Refusal(400, "0x80048d19", message)


def too_long(column: Column, entity: Entity) -> Refusal:
    """Text beyond the column's length."""
    message = f"A validation error occurred. The length of the '{column.name}' attribute of the '{entity.name}' entity "
    return Refusal(400, "0x80044331", f"{message}exceeded the maximum allowed length of '{column.length}'.")


def out_of_range(value: object, column: Column, entity: Entity) -> Refusal:
    """A number outside the column's minimum and maximum."""
    message = f"A validation error occurred. The value {value} of '{column.name}' on record of type '{entity.name}' is "
    return Refusal(400, "0x8004432f", f"{message}outside the valid range ({column.minimum:g} to {column.maximum:g}).")


def wrong_choice(value: object, column: Column, entity: Entity) -> Refusal:
    """A choice without that value."""
    allowed = ", ".join(str(choice[0]) for choice in column.choices)
    message = f"A validation error occurred. The value {value} of '{column.name}' on record of type '{entity.name}' is "
    return Refusal(400, "0x8004431A", f"{message}outside the valid range. Accepted Values: {allowed}")


def no_privilege(user: str, method: str, entity: Entity) -> Refusal:
    """A user whose roles do not allow this."""
    verb = {"GET": "Read", "POST": "Create", "DELETE": "Delete"}.get(method, "Write")
    message = f"is missing prv{verb}{entity.name.capitalize()} privilege for entity '{entity.name}'"
    return Refusal(403, "0x80040220", f"Principal user (Id={user}, type=8) {message}")


def may_not_override(user: str) -> Refusal:
    """A user who may not say when a row was made."""
    message = f"Principal user (Id={user}, type=8) is missing prvOverrideCreatedOnCreatedBy privilege"
    return Refusal(403, "0x80040220", message)


def missing_row(entity: Entity, key: str) -> Refusal:
    """No row with that id."""
    return Refusal(404, "0x80040217", f"Entity '{entity.name}' With Id = {key} Does Not Exist")


def missing_key(entity: Entity) -> Refusal:
    """No row with those alternate key values."""
    message = f"A record with the specified key values does not exist in {entity.name} entity"
    return Refusal(404, "0x80060891", message)


def wrong_key(entity: Entity) -> Refusal:
    """A key that is not one of the entity's."""
    message = (
        f"The key in the request URI is not valid for resource '{NAMESPACE}.{entity.name}'. Ensure that the names "
    )
    return bad_query(f"{message}and number of key properties match the primary or an alternate key of the resource.")


def version_mismatch() -> Refusal:
    """If-Match with another version."""
    message = "The version of the existing record doesn't match the RowVersion property provided."
    return Refusal(412, "0x80060882", message)


def exists() -> Refusal:
    """A row with that primary key is there."""
    return Refusal(412, "0x80040237", "A record with matching key values already exists.")


def key_violated(entity: Entity, name: str, columns: tuple[str, ...]) -> Refusal:
    """Another row has the values of an alternate key."""
    shown = ", ".join((entity.columns[c].label or c) for c in columns)
    return Refusal(
        412,
        "0x80060892",
        f"Entity Key {name} violated. A record with the same value for {shown} already exists. A duplicate record "
        "cannot be created. Select one or more unique values and try again.",
    )


def not_allowed(method: str, path: str, more: str = "") -> Refusal:
    """A method the resource does not have."""
    told = f"The requested resource does not support http method '{method}' ({path[:200]})."
    return Refusal(405, "0x80060888", f"{told}{more}")


def metadata_is_read(method: str, path: str) -> Refusal:
    """A write of metadata: those that the reference has say that they are documented."""
    known = method in {"POST", "PUT", "DELETE"}
    more = " Writing metadata is documented, but not in this sandbox: its metadata is read only."
    return not_allowed(method, path, more if known else "")


def required(column: Column, entity: Entity) -> Refusal:
    """A system-required column that is empty."""
    message = f"Attribute '{column.name}' of entity '{entity.name}' cannot be set to NULL"
    return Refusal(400, "0x80040203", message)


def plugin(message: str) -> Refusal:
    """A synchronous plug-in stopped the operation."""
    return Refusal(400, "0x80040265", message)
