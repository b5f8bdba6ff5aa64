"""What a service says in another encoding than UTF-8, or with letters nobody sees, is read as it was meant."""

import json
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import P2CError
from p2c_lib.odata.content import in_utf8
from p2c_lib.secrecy import forget_secrets, keep_secret
from tests.test_odata_hostile import JSON, Said, read_from

SECRET = "between-secret-0042"
WORDS = f"Größe 400: bad header {SECRET} was sent"
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig", "windows-1252")


def told_of(answer: Said) -> str:
    keep_secret(SECRET)
    with pytest.raises(P2CError) as raised:
        read_from(lambda _: answer)
    return str(raised.value)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/json"])
def test_an_error_is_told_in_the_letters_it_was_written_in(encoding: str, kind: str) -> None:
    body = {
        "text/plain": WORDS,
        "text/html": f"<html><body>{WORDS}</body></html>",
        "application/json": json.dumps({"error": {"code": "x", "message": WORDS}}, ensure_ascii=False),
    }[kind]
    told = told_of((400, {"Content-Type": f"{kind}; charset={encoding.removesuffix('-sig')}"}, body.encode(encoding)))
    assert "Größe 400: bad header *** was sent" in told
    assert told.isprintable()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "text/html; charset=no-such-thing", ""])
def test_neither_a_name_nor_a_mark_is_needed(encoding: str, kind: str) -> None:
    page = f"<html><title>Sign in</title><body>{WORDS}</body></html>"
    told = told_of((200, {"Content-Type": kind} if kind else {}, page.encode(encoding)))
    assert "a web page ('Sign in')" in told


LIES = ("utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp037", "cp500", "utf-7", "hz", "iso2022_jp", "rot13", "nope")


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "0x1", "message": "bad header between-secret-0042 was sent"}}',
        b'\r\n {"error": {"code": "0x1", "message": "bad \xe9\xff header between-secret-0042 was sent"}}',
        b"<html><body>bad header between-secret-0042 was sent</body></html>",
        b"bad header between-secret-0042 was sent",
        b"\xe9\xe9bad header\0 between-secret-0042 \0 was sent",
    ],
)
def test_a_name_that_is_a_lie_hides_no_secret(lie: str, body: bytes) -> None:
    told = told_of((400, {"Content-Type": f"application/json; charset={lie}"}, body))
    assert SECRET not in told
    for encoding in ("utf-16-be", "utf-16-le", "utf-32-le", "cp037", "cp500", "latin-1", "utf-7"):
        assert SECRET.encode() not in told.encode(encoding, "ignore")
    if body[:1] in b"{<" and lie != "utf-7":
        assert "bad header *** was sent" in told


@pytest.mark.parametrize("sign", ["\0", "\u200b", "\u00ad", "\ufeff", "\u2060", "\x1b", "\U000e0041"])
def test_letters_that_nobody_sees_never_reach_the_words(sign: str) -> None:
    words = WORDS.removeprefix("Größe ")
    said = sign.join(words)
    answers: tuple[Said, ...] = (
        (400, JSON, json.dumps({"error": {"code": "x", "message": said}}).encode()),
        (400, {"Content-Type": "text/html"}, f"<html><body>{escape(said)}</body></html>".encode()),
        (500, {"Content-Type": "text/plain"}, said.encode()),
    )
    for answer in answers:
        forget_secrets()
        told = told_of(answer)
        assert "400: bad header *** was sent" in told
        assert "\\x" not in told
        assert "\\u" not in told


@given(text=st.text(st.characters(codec="latin-1", exclude_characters="\0"), min_size=8), mark=st.booleans())
def test_what_is_western_text_is_known_by_its_zeros(text: str, mark: bool) -> None:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        packed = (("\ufeff" if mark else "") + text).encode(encoding)
        assert in_utf8(packed, "text/plain").decode() == text


@given(
    st.binary(max_size=200), st.sampled_from(["", "text/html; charset=utf-16", "x; charset=rot13", "; charset=zlib"])
)
def test_whatever_comes_it_is_read(content: bytes, kind: str) -> None:
    assert isinstance(in_utf8(content, kind), bytes)
