"""Text that is not well-formed never makes a set unreadable; characters a service refuses are known before sending."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import (
    Drifted,
    FrameError,
    IncompleteRead,
    Rejected,
    ServiceError,
    TemplateError,
    UnknownName,
    Unsendable,
)
from p2c_lib.mapping import map_frame
from p2c_lib.mapping.reading import template
from p2c_lib.odata import Column, EntitySchema, Expand, Page, Query, Write
from p2c_lib.odata.ask import _object
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.characters import refused, why_refused
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.dialect import FINOPS, SALES
from p2c_lib.odata.encode import members_of
from p2c_lib.odata.failures import failure
from p2c_lib.odata.literals import literal
from p2c_lib.odata.notes import REPLACED, Note
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store, sortable_guid
from tests.mapping_frames import desk_for, frame, small
from tests.wired import finops_client, sales_client

NAME = Column("name", "Edm.String", pa.string())
KEY = Column("thingid", "Edm.Guid", pa.string())
SCHEMA = EntitySchema("sales", "things", "thing", ("thingid",), {"thingid": KEY, "name": NAME})
REPLACEMENT = "�"


def page(*names: bytes) -> Page:
    rows = b",".join(b'{"@odata.etag":"e","thingid":"i","name":' + name + b"}" for name in names)
    return Decoder(Query("things", ("name",)), SCHEMA, empty_is_null=False).page(b'{"value":[' + rows + b"]}")


def names(*given: bytes) -> list[Any]:
    return list(page(*given).table.column("name").to_pylist())


@pytest.mark.parametrize(
    ("came", "read", "replaced"),
    [
        (rb'"a\ud83d"', "a" + REPLACEMENT, True),
        (rb'"\uDE00b"', REPLACEMENT + "b", True),
        (rb'"\ud83d\u0041"', REPLACEMENT + "A", True),
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}", False),
        (b'"M\xfcller"', "M" + REPLACEMENT + "ller", True),
        (b'"\xc3"', REPLACEMENT, True),
        (b'"\xed\xa0\xbd"', 3 * REPLACEMENT, True),
        (b'"a\x00b"', "a\x00b", False),
        (rb'"a\u0000b"', "a\x00b", False),
        (b'"a\x07\nb"', "a\x07\nb", False),
        ('"\ufffd"'.encode(), REPLACEMENT, False),
    ],
)
def test_a_text_is_read_whatever_it_holds(came: bytes, read: str, replaced: bool) -> None:
    found = page(came, b'"plain"')
    assert found.table.column("name").to_pylist() == [read, "plain"]
    assert [(note.column, note.what, note.count) for note in found.notes] == (
        [("name", REPLACED, 1)] if replaced else []
    )
    found.table.validate(full=True)


def test_the_note_counts_the_texts_and_shows_one() -> None:
    found = page(rb'"a\ud83d"', b'"b\xff"', b'"c"')
    assert found.notes == (Note("name", REPLACED, 2, "a" + REPLACEMENT),)
    assert "2 texts are not well-formed" in str(found.notes[0])


@given(st.binary(max_size=40))
def test_any_bytes_in_the_place_of_a_value_are_a_row_or_an_error_of_ours(garbage: bytes) -> None:
    for value in (b'"' + garbage + b'"', garbage):
        try:
            found = page(value, b'"plain"')
        except ServiceError:
            continue
        found.table.validate(full=True)
        assert "".join(str(name) for name in found.table.column("name").to_pylist()).encode()


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=4))
def test_well_formed_text_is_read_as_it_is_by_either_way(texts: list[str]) -> None:
    quick = [json.dumps(text).encode() for text in texts]
    assert names(*quick) == texts
    assert names(*quick, rb'"\ud800"')[:-1] == texts


def test_json_nested_without_end_is_an_error_of_ours() -> None:
    with pytest.raises(IncompleteRead):
        page(b'"\xff"', b"[" * 100_000)
    with pytest.raises(IncompleteRead, match=r"too deeply|deeper than"):
        _object(b"[" * 100_000, "metadata")


def test_metadata_and_errors_are_read_whatever_their_texts_hold() -> None:
    assert _object(b'\xef\xbb\xbf{"Label":"M\xfcller\\ud83d\x07"}', "metadata") == {
        "Label": f"M{REPLACEMENT}ller{REPLACEMENT}\x07"
    }
    error = failure(400, {}, b'{"error":{"code":"0x1","message":"No \\ud83d M\xfcller."}}', "accounts")
    assert type(error) is Rejected
    assert error.message == f"accounts: No {REPLACEMENT} M{REPLACEMENT}ller."
    error.message.encode()


SENT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))), max_size=5), st.integers(0, 2))
def test_refused_texts_are_found_in_columns_and_one_by_one_alike(texts: list[str | None], skip: int) -> None:
    column = pa.array(texts, pa.string()).slice(min(skip, len(texts)))
    wanted = [text is not None and SENT.search(text) is not None for text in texts[skip:]]
    found = refused(column)
    assert (found.to_pylist() if found is not None else [False] * len(column)) == wanted
    assert [text is not None and why_refused(text) is not None for text in texts[skip:]] == wanted


def test_why_a_text_is_refused_names_the_character() -> None:
    assert [why_refused(text) for text in ("a\x07", "\ud83d", "￾", "tab\tand\nline")] == [
        "holds a control character (U+0007)",
        "holds half a character (U+D83D)",
        "holds no character (U+FFFE)",
        None,
    ]


@pytest.mark.parametrize("text", ["Con\x07toso", "\ud83d", "nul\x00", "￿"])
def test_a_body_that_no_service_takes_is_refused_by_name_before_it_is_sent(text: str) -> None:
    for dialect in (SALES, FINOPS):
        bodies = Bodies(SCHEMA, dialect, {}.__getitem__)
        with pytest.raises(FrameError, match=r"^name: .* holds .*\(U\+"):
            bodies.json(Write("create", "things", None, {"name": text}))
        if not "\ud800" <= text[0] <= "\udfff":
            with pytest.raises(FrameError, match=r"^name: .* holds .*\(U\+"):
                members_of(pa.table({"name": ["fine", text]}), dialect, bodies, creating=True)


def test_half_a_character_in_a_filter_is_an_error_of_ours() -> None:
    with pytest.raises(FrameError, match="half a character"):
        literal("\ud83d", NAME)


def test_a_row_that_would_be_refused_is_rejected_by_the_mapping_with_its_reason() -> None:
    made = small("{from: name, to: Name}")
    source = frame(made, {"id": ["1", "2", "3"], "name": ["Con\x07toso", "Fabrikam", None]})
    mapped = map_frame(source, made, desk_for(made))
    assert mapped.frame.table.column("Name").to_pylist() == ["Fabrikam", None]
    (line,) = mapped.rejected.to_pylist()
    assert (line["field"], line["Id"], line["value"]) == ("Name", "1", f"Con{REPLACEMENT}toso")
    assert line["reason"] == f"'Con{REPLACEMENT}toso' holds a control character (U+0007)"


def test_both_systems_refuse_such_characters_and_serve_what_they_hold(store: Store, portal: BlockingPortal) -> None:
    account = entities("sales")["accounts"]
    with store.write():
        store.insert(account, {"accountid": sortable_guid(), "name": "Con\x07to\x00so"})
    with sales_client(store, portal) as client:
        rows = [row for each in client.read(Query("accounts", ("name",))) for row in each.table.to_pylist()]
        assert [row["name"] for row in rows] == ["Con\x07to\x00so"]
        raw = client.sender.ask("GET", "/api/data/v9.2/accounts?$select=name", target="x").body
        assert b"\\u0007" in raw
    body = b'{"CurrencyCode":"XYZ","Name":"a\\u0007"}'
    with finops_client(store, portal) as client, pytest.raises(Rejected, match="0x07"):
        client.sender.ask("POST", "/data/Currencies", body=body, target="Currencies")


def test_a_template_that_is_no_utf_8_is_an_error_that_says_so(tmp_path: Any) -> None:
    file = tmp_path / "own.yml"
    file.write_bytes(b"title: M\xfcller")
    with pytest.raises(TemplateError, match="no UTF-8 at byte 9"):
        template(file)


HALF = "a\ud83d"
QUERIES: dict[str, Callable[[str, str, EntitySchema], Query]] = {
    "$filter": lambda name, column, _: Query(name, (column,), filter=f"{column} eq '{HALF}'"),
    "$apply": lambda name, column, _: Query(name, (), apply=f"filter({column} eq '{HALF}')"),
    "$expand": lambda name, column, schema: Query(name, (column,), expand=(Expand("x", HALF, schema, (column,)),)),
    "is no order": lambda name, column, _: Query(name, (column,), orderby=(f"{column} {HALF}",)),
    "Unknown column": lambda name, column, _: Query(name, (column, HALF)),
    "Unknown column ": lambda name, column, _: Query(name, (column,), orderby=(HALF,)),
    "Unknown entity set": lambda _, column, __: Query(HALF, (column,)),
}


@pytest.mark.parametrize(
    ("app", "entity_set", "column"), [("sales", "accounts", "name"), ("finops", "Currencies", "Name")]
)
@pytest.mark.parametrize("said", QUERIES)
def test_a_query_with_half_a_character_is_an_error_that_names_the_place(
    store: Store, portal: BlockingPortal, app: str, entity_set: str, column: str, said: str
) -> None:
    with (sales_client if app == "sales" else finops_client)(store, portal) as client:
        query = QUERIES[said](entity_set, column, client.schema(entity_set))
        for ask in (lambda: list(client.read(query)), lambda: client.describe(query)):
            with pytest.raises((FrameError, UnknownName)) as told:
                ask()
            assert said.strip() in str(told.value)
            assert str(told.value).encode()
            assert REPLACEMENT in str(told.value)


@pytest.mark.parametrize("key", [HALF, "a"])
def test_a_key_or_a_version_with_half_a_character_ends_its_write_alone(
    store: Store, portal: BlockingPortal, key: str
) -> None:
    etag = 'W/"1"' if key == HALF else HALF
    with finops_client(store, portal) as client:
        if key == HALF:
            with pytest.raises(FrameError, match="CurrencyCode"):
                client.get("Currencies", {"CurrencyCode": key}, ("Name",))
        writes = [
            Write("create", "Currencies", None, {"CurrencyCode": "EUR", "Name": "Euro"}),
            Write("update", "Currencies", {"CurrencyCode": key}, {"Name": "x"}, etag),
        ]
        made, refused = client.write(writes)
        rows = pa.table({"CurrencyCode": ["EUR", "USD"], "Name": ["One", "Two"], "@etag": ['W/"9"', "bad\r\nversion"]})
        results = client.write_table("update", "Currencies", rows, key=("CurrencyCode",), etag="@etag")
    assert made.ok
    assert isinstance(refused.error, Unsendable)
    assert [type(result.error) for result in results] == [Drifted, Unsendable]
