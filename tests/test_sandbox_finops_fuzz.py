"""Whatever is asked of the F&O side, it answers: never with a 500, and every refusal has the one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.finops import FinOps
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.wire import Answer, Call

SETS = entities("finops")
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COLUMNS = st.sampled_from(["CustomerAccount", "CreditLimit", "PartyType", "PersonGender", "AddressValidFrom", "Nmae"])
WORDS = st.sampled_from(
    ["eq", "ne", "gt", "and", "or", "not", "add", "divby", "mod", "in", "has", "(", ")", "null", "true", "'a*'", "'",
     "1", "-1.5e9", "99999999999999999999", "2026-01-31T00:00:00Z", "2026-13-01", ",", "/", "any(x:x", "contains(",
     "Microsoft.Dynamics.DataEntities.Gender'Male'", "Microsoft.Dynamics.DataEntities.NoYes'Maybe'", "%", "\\", "[1]",
     "00000000-0000-0000-0000-000000000000", "@p", "$count", "\u00e9", "*"]
)  # fmt: skip
FILTERS = st.lists(st.one_of(COLUMNS, WORDS), min_size=1, max_size=9).map(" ".join)
OPTIONS = st.sampled_from(["$select", "$top", "$skip", "$count", "$skiptoken", "$format", "$x", "a", "cross-company"])
FIELDS = st.sampled_from([*list(SETS["CustomersV2"].columns)[:60], "@odata.type", "Nmae"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
IMPORT = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.ImportFromPackage"


@pytest.fixture(scope="module")
def finops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinOps]:
    with open_store(tmp_path_factory.mktemp("fuzz")) as store:
        with store.write():
            add_references(store, currencies=())
        yield FinOps(store)


def ask(finops: FinOps, method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = finops.answer(Call(method, path, query, named, body, "http://finops.test"))
    assert answer.status < 500, answer.body
    if answer.status >= 400 and not answer.body.startswith((b"<html>", b'{"Message"')):
        error = json.loads(answer.body)["error"]
        assert set(error) == {"code", "message", "innererror"}
        assert error["message"]
        assert error["innererror"]["message"]
    return answer


@QUICK
@given(FILTERS)
@example("CustomerAccount eq '" + "*" * 500 + "'")
@example("(" * 400)
@example("not " * 400 + "true")
@example(" or ".join(["CustomerAccount eq 'a'"] * 3000))
@example("CreditLimit divby 0 eq 1")
@example("CreditLimit mod 0 eq 1")
def test_any_filter(finops: FinOps, text: str):
    ask(finops, "GET", "/data/CustomersV2", f"$filter={quote(text)}&$count=true")


@QUICK
@given(st.text(max_size=60))
def test_any_filter_text(finops: FinOps, text: str):
    ask(finops, "GET", "/data/CustomersV2", f"$filter={quote(text)}")
    ask(finops, "GET", "/data/CustomersV2", f"$orderby={quote(text)}")
    ask(finops, "GET", "/data/CDSSalesQuotationHeaders", f"$expand={quote(text)}")


@QUICK
@given(st.dictionaries(OPTIONS, st.text(max_size=12), max_size=4))
def test_any_options(finops: FinOps, options: dict[str, str]):
    ask(finops, "GET", "/data/Currencies", "&".join(f"{name}={quote(value)}" for name, value in options.items()))


@QUICK
@given(st.text(max_size=60), st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]))
@example("/data/CustomersV2(dataAreaId='usmf',CustomerAccount='''')", "GET")
@example("/data/CustomersV2(dataAreaId='usmf',CustomerAccount=99999999999999999999)", "GET")
@example("/metadata/PublicEntities('", "GET")
@example("/data/CustomersV2()", "PATCH")
def test_any_path(finops: FinOps, path: str, method: str):
    for prefix in ("", "/data/", "/data/CustomersV2(", "/metadata/", "/data/CustomersV2/"):
        ask(finops, method, prefix + path, body=b"{}")


@QUICK
@given(st.binary(max_size=60))
def test_any_query_string(finops: FinOps, raw: bytes):
    ask(finops, "GET", "/data/Currencies", raw.decode("latin-1"))


@QUICK
@given(st.dictionaries(FIELDS, JSON, max_size=6))
@example({"dataAreaId": "usmf", "CustomerAccount": "\x00"})
@example({"dataAreaId": "usmf", "CreditLimit": 1e308})
@example({"dataAreaId": "usmf", "OrganizationName": "\ud800"})
def test_any_object_as_a_body(finops: FinOps, body: dict[str, object]):
    raw = json.dumps(body).encode()
    ask(finops, "POST", "/data/CustomersV2", body=raw)
    ask(finops, "PATCH", "/data/CustomersV2(dataAreaId='usmf',CustomerAccount='C')", body=raw)
    whole = {"CustomerGroupId": "10", "SalesCurrencyCode": "USD", **body}
    ask(finops, "POST", "/data/CustomersV2", body=json.dumps(whole).encode())
    ask(finops, "GET", "/data/CustomersV2")


@QUICK
@given(st.binary(max_size=80))
@example(b"[" * 100_000)
@example(b'{"CreditLimit": 1' + b"0" * 5000 + b"}")
def test_any_bytes_as_a_body(finops: FinOps, body: bytes):
    ask(finops, "POST", "/data/CustomersV2", body=body)
    ask(finops, "POST", IMPORT, body=body)


@QUICK
@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_as_a_batch(finops: FinOps, body: bytes, boundary: str):
    edged = b"--b\r\nContent-Type: application/http\r\n\r\n" + body + b"\r\n--b--"
    ask(finops, "POST", "/data/$batch", body=body, content_type=f"multipart/mixed; boundary={boundary}")
    ask(finops, "POST", "/data/$batch", body=edged, content_type="multipart/mixed; boundary=b")


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_as_a_package(finops: FinOps, content: bytes):
    address = finops.blobs.address("http://finops.test", "a.zip")
    finops.blobs.files["a.zip"] = (9e12, content)
    body = json.dumps({"packageUrl": address, "legalEntityId": "usmf"}).encode()
    assert ask(finops, "POST", IMPORT, body=body).status == 400


@QUICK
@given(st.sampled_from(["accept", "prefer", "if-match", "content-type"]), st.text(max_size=30))
def test_any_header(finops: FinOps, name: str, value: str):
    ask(finops, "GET", "/data/Currencies", **{name: value})
    ask(finops, "PATCH", "/data/Currencies(CurrencyCode='USD')", body=b'{"Name":"US Dollar"}', **{name: value})
