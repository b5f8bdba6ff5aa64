"""What to do about a refused token, an unknown application or a missing entity set, in the words of the two systems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from p2c_lib.errors import NotTheService, P2CError

if TYPE_CHECKING:
    from p2c_lib.config import Connection

__all__ = ["SYSTEMS", "about_identity", "about_rights", "about_token", "no_entity"]

SYSTEMS = {"sales": "Sales", "finops": "F&O", "": "both"}
# Microsoft Entra's own numbers for why it gives no token.
_ENTRA = {
    "7000215": "Use the secret's value, not its id (App registrations > Certificates & secrets).",
    "7000222": "The secret has run out: make a new one (App registrations > Certificates & secrets).",
    "700016": "The application is not in this tenant: compare client_id with the app registration's overview.",
    "700027": "Upload the certificate's public part to the app registration, or name the right file.",
    "90002": "Correct tenant: the directory (tenant) id of the app registration's overview.",
    "900023": "Correct tenant: the directory (tenant) id of the app registration's overview.",
    "500011": "Correct url: the tenant knows no system of that address.",
    "500014": "The system is switched off for this tenant: an administrator has to enable it in Microsoft Entra.",
    "65001": "An administrator has to consent to the application.",
    "53003": "A conditional access policy forbids this sign-in: ask the directory's administrator.",
}
_UNKNOWN_APPLICATION = {
    "sales": "Add the application user: Power Platform admin center > Environments > the environment > Settings > "
    "Users + permissions > Application users > New app user, with client id {client} and a security role.",
    "finops": "Register the application: F&O > System administration > Setup > Microsoft Entra ID applications > New, "
    "with client id {client} and a user that has roles.",
}
_OTHER_SERVICE = "Correct url in p2c.toml: this address is not that of {system}. Is it the other system's?"
_RIGHTS = {
    "sales": "Give the application user a security role with Read on these tables, in the admin center under "
    "Application users > Edit security roles.",
    "finops": "Give the user of the registered application a role that may read these data entities.",
}
_NO_ENTITY = {
    "sales": "Is the table there, and the Prospect to cash solution installed? Correct the template's entity "
    "otherwise.",
    "finops": "Refresh the entity list (Data management > Framework parameters > Entity settings), or correct the "
    "template: the set must be public.",
}


def about_token(error: P2CError) -> str:
    """What to do about a token that was not given."""
    number = re.search(r"AADSTS(\d+)", error.message)
    return _ENTRA.get(number[1], error.hint or "") if number else error.hint or ""


def about_identity(connection: Connection, status: int, error: P2CError) -> str:
    """What to do when the system does not answer who the application is."""
    if isinstance(error, NotTheService):
        return error.hint or ""
    if status in {401, 403}:
        return _UNKNOWN_APPLICATION[connection.app].format(client=connection.client_id)
    if status in {400, 404}:
        return _OTHER_SERVICE.format(system=SYSTEMS[connection.app])
    return error.hint or "Try again in a minute; if it stays, look at the system's health page."


def about_rights(app: str) -> str:
    """Who gives the right to read."""
    return _RIGHTS[app]


def no_entity(app: str) -> str:
    """What to do about an entity set the system does not know."""
    return _NO_ENTITY[app]
