"""Metadata kept on disk: asked for again only by its etag, and never believed when it is not what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from p2c_lib.config import Connection, ConnectionSet, Secret, Workspace
from p2c_lib.errors import IncompleteRead, UnknownName
from p2c_lib.frames import EntityQuery
from p2c_lib.odata import Client
from p2c_lib.odata.shelf import Shelf, Tagged
from p2c_lib.sandbox.process import Running
from p2c_lib.session import Session
from tests.bad_network import heard_server, told_server

HERE = Connection("prod", "sales", "https://org.example", "me", None)
URL = "/api/data/v9.2/EntityDefinitions"
ANSWER = Tagged('"1"', {"value": [{"a": "ä"}]})
PRODUCT = {"EntitySetName": "Products", "Name": "Product", "Properties": [{"Name": "Id", "TypeName": "Edm.String"}]}
Said = tuple[int, dict[str, str], bytes]


def pair(sandbox: Running) -> ConnectionSet:
    def at(app: str, url: str) -> Connection:
        secret, token_url = Secret.literal(sandbox.token), f"{url}/t/oauth2/v2.0/token"
        return Connection(app, app, url, "tester", secret, token_url=token_url)  # type: ignore[arg-type]

    return ConnectionSet("test", at("sales", sandbox.sales_url), at("finops", sandbox.finops_url), "USMF")


def extracted(sandbox: Running, place: Workspace) -> tuple[list[object], int]:
    """The schemas and rows of an extract from either system, and the bytes that metadata took before the rows."""
    with Session(pair(sandbox), place) as session:
        schemas = [session.sales.schema("quotes"), session.finops.schema("CustomersV2")]
        received = session.sales.sender.received + session.finops.sender.received
        frame = session.extract(EntityQuery("sales", "quotes", ("quotenumber", "totalamount"), ("quotenumber",)))
        return [*schemas, frame.table.drop_columns(["@etag"])], received


def test_the_next_session_has_the_same_schemas_for_a_fraction_of_the_bytes(sandbox: Running, tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    first, first_bytes = extracted(sandbox, place)
    second, second_bytes = extracted(sandbox, place)
    assert second == first
    assert first_bytes > 20_000
    assert second_bytes == 0
    files = list(place.metadata.iterdir())
    assert len(files) > 10
    assert {file.suffix for file in files} == {".json"}


SPOILT: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "cut short": lambda text: text[:-20],
    "not an object": lambda _: "[]",
    "changed": lambda text: text.replace('"content": {', '"content": {"new": 1, '),
    "of another etag": lambda text: text.replace('"etag": "', '"etag": "x'),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_kept_file_that_is_broken_is_read_anew(sandbox: Running, tmp_path: Path, spoil: Callable[[str], str]) -> None:
    place = Workspace(tmp_path)
    first, first_bytes = extracted(sandbox, place)
    for file in place.metadata.iterdir():
        file.write_text(spoil(file.read_text("utf-8")), "utf-8")
    second, second_bytes = extracted(sandbox, place)
    assert second == first
    assert second_bytes > first_bytes / 2
    assert extracted(sandbox, place)[1] == 0


def test_what_was_kept_counts_for_its_address_user_and_request_only(tmp_path: Path) -> None:
    Shelf(tmp_path, HERE).keep(URL, ANSWER)
    assert Shelf(tmp_path, HERE).find(URL) == ANSWER
    assert Shelf(tmp_path, HERE).find(URL + "?a") is None
    for other in ("https://elsewhere.example", "https://org.example:444"):
        assert Shelf(tmp_path, Connection("prod", "sales", other, "me", None)).find(URL) is None
    assert Shelf(tmp_path, Connection("prod", "sales", HERE.url, "you", None)).find(URL) is None


def test_nothing_is_kept_without_an_etag_or_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "metadata"
    Shelf(folder, HERE).keep(URL, Tagged("", ANSWER.content))
    assert not folder.exists()
    folder.write_text("a file where the folder should be")
    shelf = Shelf(folder, HERE)
    shelf.keep(URL, ANSWER)
    assert shelf.find(URL) is None


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "metadata"
    for url in ("../../out", "/etc/passwd", "a" * 5000, "nul\0"):
        Shelf(folder, HERE).keep(url, ANSWER)
        assert Shelf(folder, HERE).find(url) == ANSWER
    assert [path.name for path in tmp_path.iterdir()] == ["metadata"]


def test_metadata_that_changed_comes_anew_and_is_kept_anew(tmp_path: Path) -> None:
    asked: list[str | None] = []
    etag, names = "1", ["Id"]

    def say(_method: str, _path: str, headers: dict[str, str]) -> Said:
        came = headers.get("if-none-match")
        asked.append(came)
        if came == f'"{etag}"':
            return 304, {"ETag": came}, b""
        rows = [{**PRODUCT, "Properties": [{"Name": name, "TypeName": "Edm.String"} for name in names]}]
        return 200, {"Content-Type": "application/json", "ETag": f'"{etag}"'}, json.dumps({"value": rows}).encode()

    def columns(url: str) -> list[str]:
        with Client(Connection("f", "finops", url, "c", None), credential=Anyone(), kept=tmp_path) as client:
            return list(client.schema("Products").columns)

    with heard_server(say) as url:
        assert [columns(url), columns(url)] == [["Id"], ["Id"]]
        etag, names = "2", ["Id", "Name"]
        assert [columns(url), columns(url)] == [["Id", "Name"], ["Id", "Name"]]
    assert asked == [None, '"1"', '"1"', '"2"']


def test_what_cannot_be_understood_is_asked_for_without_what_was_kept(tmp_path: Path) -> None:
    url_of = "/metadata/PublicEntities?$filter=EntitySetName%20eq%20'Products'"

    def say(_method: str, _path: str) -> Said:
        return 200, {"Content-Type": "application/json", "ETag": '"1"'}, json.dumps({"value": [PRODUCT]}).encode()

    with told_server(say) as url:
        here = Connection("f", "finops", url, "c", None)
        Shelf(tmp_path, here).keep(url_of, Tagged('"0"', {"value": [{"Name": "no properties"}]}))
        with Client(here, credential=Anyone(), kept=tmp_path) as client:
            assert list(client.schema("Products").columns) == ["Id"]
        assert Shelf(tmp_path, here).find(url_of) == Tagged('"1"', {"value": [PRODUCT]})


def test_a_304_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    with told_server(lambda method, path: (304, {"ETag": '"1"'}, b"")) as url:
        here = Connection("f", "finops", url, "c", None)
        with (
            Client(here, credential=Anyone(), kept=tmp_path) as client,
            pytest.raises(Exception, match="304") as caught,
        ):
            client.schema("Products")
    assert not isinstance(caught.value, (UnknownName, IncompleteRead))


class Anyone:
    """A credential for tests without a token endpoint."""

    token, expires_on = "t", 4_000_000_000

    def get_token(self, *_: str) -> Anyone:
        return self
