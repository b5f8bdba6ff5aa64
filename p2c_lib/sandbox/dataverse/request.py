"""One request of the Web API with what is derived from it, and the forms of an answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from p2c_lib.sandbox.dataverse.keys import Contents
from p2c_lib.sandbox.dataverse.options import Options, read_options
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.projection import Annotations
from p2c_lib.sandbox.dataverse.read import Asked, context_of, read_row
from p2c_lib.sandbox.dataverse.records import Conditions, Records, no_contents
from p2c_lib.sandbox.dataverse.refusals import bad_payload, bad_query, unknown_segment
from p2c_lib.sandbox.dataverse.segments import PREFIX, prefix
from p2c_lib.sandbox.payload import wide_as_text
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.wire import Answer, Call, Refusal, asked_length

_JSON = ("Content-Type", "application/json; odata.metadata=minimal")
VERSION = ("OData-Version", "4.0")
# Inside a batch; outside, the web server stops at half of it.
LONGEST_URL = 64 * 1024


class Request:
    """One call with what is derived from it once: URL parts, preferences, who asks."""

    def __init__(self, organisation: Organisation, call: Call, contents: Contents = no_contents) -> None:
        self.organisation = organisation
        self.store: Store = organisation.store
        self.call = call
        self.contents = contents
        if asked_length(call.path, call.query) > LONGEST_URL:
            raise Refusal(414, "0x80060888", f"The URL is longer than {LONGEST_URL} characters.")
        match = PREFIX.match(call.path)
        if match is None:
            raise unknown_segment(call.path.strip("/").partition("/")[0][:100])
        self.root = f"{call.base}/{prefix(call.path)}"
        self.path = call.path[match.end() :]
        self.preferences = call.preferences()
        self.raw = call.options()

    @property
    def records(self) -> Records:
        """The write side, for this request."""
        bypassed = self.call.headers.get("mscrm.bypasscustompluginexecution", "").lower() == "true"
        wide = wide_as_text(self.call.headers.get("content-type", ""))
        return Records(self.organisation, self.contents, custom_logic=not bypassed, wide_as_text=wide)

    def options(self) -> Options:
        """The query options."""
        return read_options(self.raw)

    def only(self, *names: str) -> None:
        """Refuse by name every query option but these, the parameter aliases, and the tag that plug-ins may read."""
        for name in self.raw:
            if name not in names and name != "tag" and not name.startswith("@"):
                raise bad_query(f"The query parameter {name} is not supported.")

    def asked(self) -> Asked:
        """What a read needs beside the options."""
        size = self.preferences.get("odata.maxpagesize", self.preferences.get("maxpagesize"))
        if size is not None and not (size.isascii() and size.isdigit() and int(size[:9]) > 0):
            raise bad_query(f"The preference odata.maxpagesize needs a positive whole number; '{size}' came.")
        return Asked(
            root=self.root,
            url=f"{self.root}{self.path}{'?' + self.call.query if self.call.query else ''}",
            annotations=self.annotations(),
            page_size=int(size) if size else None,
            caller=self.organisation.caller(),
        )

    def annotations(self) -> Annotations:
        """Which annotations are asked for."""
        text = self.preferences.get("odata.include-annotations", "")
        return Annotations(tuple(part.strip() for part in text.split(",") if part.strip()))

    def conditions(self) -> Conditions:
        """``If-Match`` and ``If-None-Match``; the word null means neither."""
        match, none_match = self.call.headers.get("if-match"), self.call.headers.get("if-none-match")
        return Conditions(match, None if none_match in {None, "null"} else none_match)

    def body(self) -> Any:
        """The JSON body; `Refusal` (400) when it is none."""
        kind = self.call.headers.get("content-type", "application/json").lower()
        if "json" not in kind:
            message = f"A JSON body is expected; the Content-Type '{kind}' came."
            raise Refusal(415, "0x80060888", message)
        try:
            return self.call.json()
        except (ValueError, RecursionError) as error:
            raise bad_payload(f"The body is not JSON: {str(error)[:200]}") from error

    def row_answer(self, entity: Entity, record: int, options: Options, status: int) -> Answer:
        """One row as the answer, with its etag."""
        text = read_row(self.store, entity, record, options, self.asked())
        url = json.dumps(f"{self.root}$metadata#{entity.set_name}{context_of(options)}/$entity")
        told = ["return=representation"] if self.wants_row and self.call.method != "GET" else []
        if self.annotations().patterns:
            told.append(f'odata.include-annotations="{self.preferences["odata.include-annotations"]}"')
        applied = [("Preference-Applied", ",".join(told))] if told else []
        tag = text[len('{"@odata.etag":') :].partition('",')[0] + '"'
        return json_answer(status, f'{{"@odata.context":{url},{text[1:]}', *applied, ("ETag", json.loads(tag)))

    @property
    def wants_row(self) -> bool:
        """Whether the written row is to be sent back."""
        return self.preferences.get("return") == "representation"


def json_answer(status: int, body: str | Mapping[str, Any], *headers: tuple[str, str]) -> Answer:
    """A JSON answer; ``body`` is its text or its value."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Answer(status, [_JSON, VERSION, *headers], text.encode("utf-8", "surrogatepass"))


def refused(refusal: Refusal, *, annotated: bool) -> Answer:
    """The one shape of an error."""
    error: dict[str, str] = {"code": refusal.code, "message": refusal.message}
    if annotated:
        error["@Microsoft.PowerApps.CDS.HelpLink"] = (
            f"http://go.microsoft.com/fwlink/?LinkID=398563&error={refusal.code}"
        )
        error["@Microsoft.PowerApps.CDS.TraceText"] = ""
        error["@Microsoft.PowerApps.CDS.InnerError.Message"] = refusal.message
        error["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"] = "1"
        error["@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode"] = "0"
        error.update(refusal.parts)
    headers = [*refusal.headers.items(), ("REQ_ID", str(uuid.uuid4()))]
    return json_answer(refusal.status, {"error": error}, *headers)
