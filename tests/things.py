"""A Sales service with one table, ``things``, whose metadata is sound and whose rows answer as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Patience
from tests.bad_network import told_server

JSON = {"Content-Type": "application/json"}
DEFINITION = {
    "LogicalName": "thing",
    "EntitySetName": "things",
    "PrimaryIdAttribute": "thingid",
    "Attributes": [
        {"LogicalName": "thingid", "AttributeType": "Uniqueidentifier"},
        {"LogicalName": "name", "AttributeType": "String"},
        {"LogicalName": "amount", "AttributeType": "Money"},
    ],
}

Said = tuple[int, dict[str, str], bytes]


@contextmanager
def things(say: Callable[[str, str], Said | None], patience: Patience) -> Iterator[Client]:
    """A client of the service: ``say`` answers a method and a path; None stands for an answer without rows."""

    def answer(method: str, path: str) -> Said:
        if "/Attributes/" in path:
            return 200, JSON, b'{"value":[]}'
        if "EntityDefinitions" in path:
            return 200, JSON, json.dumps(DEFINITION if "(" in path else {"value": [DEFINITION]}).encode()
        return say(method, path) or (200, JSON, b'{"value":[]}')

    with told_server(answer) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with Client(here, patience=patience) as client:
            yield client
