"""Dataverse's bulk messages: many rows of one table in one transaction."""

from __future__ import annotations

from p2c_lib.errors import NoRoute, NotAuthorised, NotFound, Rejected
from p2c_lib.odata.ask import ask_list
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.literals import query_string
from p2c_lib.odata.runs import NAMESPACE, Run
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Answer, Sender
from p2c_lib.waiting import Stop

__all__ = ["BULK_ROWS", "BulkMessages"]

BULK_ROWS = 1_000
WORTH_IT = 20
ACTIONS = {"create": "CreateMultiple", "update": "UpdateMultiple", "upsert": "UpsertMultiple"}


class BulkMessages:
    """Sends rows as one bulk message where the table takes it. One bad row fails all: the caller then parts them."""

    def __init__(self, sender: Sender, dialect: Dialect) -> None:
        self._sender, self._dialect = sender, dialect
        self._known: dict[tuple[str, str], bool] = {}

    def fits(self, run: Run) -> bool:
        """Whether the rows may go as a bulk message: enough of them, no etag to match, and the table offers it."""
        if run.schema.app != "sales" or run.op not in ACTIONS or len(run) < WORTH_IT or run.guarded:
            return False
        return self._offered(ACTIONS[run.op], run.schema)

    def send(self, run: Run, start: int, end: int, stop: Stop) -> Answer:
        """The answer to some rows of a run in one message; ``stop`` keeps it from being sent."""
        return self._sender.send(
            "POST",
            f"{self._dialect.set_url(run.schema.entity_set)}/{NAMESPACE}.{ACTIONS[run.op]}",
            headers={"Content-Type": "application/json"},
            body=run.targets(start, end),
            target=run.schema.entity_set,
            repeatable=run.repeatable,
            stop=stop,
            as_it_came=True,
        )

    def _offered(self, action: str, schema: EntitySchema) -> bool:
        """Whether the table takes the message, as the service's own list of messages says; asked once."""
        mark = (action, schema.logical_name)
        if mark not in self._known:
            text = f"sdkmessageid/name eq '{action}' and primaryobjecttypecode eq '{schema.logical_name}'"
            options = query_string({"$select": "sdkmessagefilterid", "$filter": text})
            url = f"{self._dialect.root}sdkmessagefilters?{options}"
            try:
                found = ask_list(self._sender, url, self._dialect.headers, "sdkmessagefilters").get("value")
            except (NoRoute, NotFound, Rejected, NotAuthorised):
                found = None
            self._known[mark] = bool(found)
        return self._known[mark]
