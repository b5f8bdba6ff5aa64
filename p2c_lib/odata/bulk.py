"""Dataverse's bulk messages: many rows of one table in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.literals import query_string
from p2c_lib.odata.metadata import json_object
from p2c_lib.odata.prepare import Ready
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Answer, Sender

__all__ = ["BULK_ROWS", "BulkMessages"]

BULK_ROWS = 500
WORTH_IT = 20
ACTIONS = {"create": "CreateMultiple", "update": "UpdateMultiple", "upsert": "UpsertMultiple"}
NAMESPACE = "Microsoft.Dynamics.CRM"


class BulkMessages:
    """Sends rows as one bulk message where the table takes it. One bad row fails all: the caller then parts them."""

    def __init__(self, sender: Sender, dialect: Dialect) -> None:
        self._sender, self._dialect = sender, dialect
        self._known: dict[tuple[str, str], bool] = {}

    def fits(self, run: Sequence[Ready]) -> bool:
        """Whether the rows may go as a bulk message: enough of them, no etag to match, and the table offers it."""
        first = run[0]
        if first.schema.app != "sales" or first.op not in ACTIONS or len(run) < WORTH_IT:
            return False
        if any("W/" in ready.part.headers for ready in run):
            return False
        return self._offered(ACTIONS[first.op], first.schema)

    def send(self, run: Sequence[Ready]) -> Answer:
        """The answer to all rows in one message."""
        first = run[0]
        kind = json.dumps(f"{NAMESPACE}.{first.schema.logical_name}")
        body = '{"Targets":[' + ",".join(f'{{"@odata.type":{kind},{_row(ready)}' for ready in run) + "]}"
        url = f"{self._dialect.set_url(first.schema.entity_set)}/{NAMESPACE}.{ACTIONS[first.op]}"
        headers = {"Content-Type": "application/json"}
        return self._sender.send(
            "POST",
            url,
            headers=headers,
            body=body.encode(),
            target=first.schema.entity_set,
            repeatable=all(ready.repeatable for ready in run),
        )

    def _offered(self, action: str, schema: EntitySchema) -> bool:
        """Whether the table takes the message, as the service's own list of messages says; asked once."""
        mark = (action, schema.logical_name)
        if mark not in self._known:
            text = f"sdkmessageid/name eq '{action}' and primaryobjecttypecode eq '{schema.logical_name}'"
            options = query_string({"$select": "sdkmessagefilterid", "$filter": text})
            answer = self._sender.send(
                "GET", f"{self._dialect.root}sdkmessagefilters?{options}", target="sdkmessagefilters"
            )
            found = json_object(answer.body, "sdkmessagefilters").get("value") if answer.status == 200 else None
            self._known[mark] = bool(found)
        return self._known[mark]


def _row(ready: Ready) -> str:
    """A row's JSON after its opening brace, with its id or address before the other columns."""
    inner = ready.part.body[1:]
    if ready.op == "create":
        return inner
    comma = "," if inner != "}" else ""
    if ready.op == "update" and ready.row_id is not None:
        return f'"{ready.schema.key[0]}":{json.dumps(ready.row_id)}{comma}{inner}'
    address = ready.part.path.rpartition("/")[2]
    return f'"@odata.id":{json.dumps(address)}{comma}{inner}'
