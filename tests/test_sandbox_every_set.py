"""Every Sales table is created, read, changed and deleted; whatever is written, the answer is never a server error."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.dataverse.model import properties
from p2c_lib.sandbox.schema import entities
from tests.conftest import Sales

LEAST = {
    "products": {"productnumber": "P-1", "name": "P"},
    "pricelevels": {"name": "L"},
    "transactioncurrencies": {"isocurrencycode": "XXX", "currencyname": "X"},
}
ANNOTATED = {"Prefer": 'odata.include-annotations="*",return=representation'}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@pytest.mark.parametrize("entity_set", sorted(entities("sales")))
def test_every_set_takes_and_gives_whole_rows(sales: Sales, entity_set: str) -> None:
    entity = entities("sales")[entity_set]
    if entity_set == "products":
        group = sales.create("uomschedules", name="G")
        unit = sales.create("uoms", name="U", uomscheduleid__bind=f"/uomschedules({group})")
        LEAST["products"]["defaultuomid@odata.bind"] = f"/uoms({unit})"
    made = sales.client.post(entity_set, json=LEAST.get(entity_set, {}), headers=ANNOTATED)
    assert made.status_code == 201, made.text
    key = made.json()[entity.key[0]]
    row = sales.client.get(f"{entity_set}({key})").json()
    assert properties(entity).keys() <= row.keys()
    changed = sales.client.patch(f"{entity_set}({key})", json={"statecode": 1} if "statecode" in row else {})
    assert changed.status_code in {204, 400}, changed.text
    listed = sales.client.get(entity_set, headers=ANNOTATED).json()["value"]
    assert key in {one[entity.key[0]] for one in listed}
    gone = sales.client.delete(f"{entity_set}({key})")
    assert gone.status_code in {204, 405}, gone.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(), entity_set=st.sampled_from(["accounts", "contacts", "products", "quotes", "quotedetails", "uoms"])
)
def test_no_body_is_a_server_error(sales: Sales, data: st.DataObject, entity_set: str) -> None:
    columns = sorted(entities("sales")[entity_set].columns)
    binds = [f"{c.navigation[0]}@odata.bind" for c in entities("sales")[entity_set].columns.values() if c.navigation]
    names = st.sampled_from([*columns, *binds]) | st.text(max_size=10)
    body = data.draw(st.dictionaries(names, VALUES, max_size=4))
    posted = sales.client.post(entity_set, json=body)
    patched = sales.client.patch(f"{entity_set}(11111111-2222-4333-8444-555555555555)", json=body)
    for answer in (posted, patched):
        assert answer.status_code in {204, 400, 404, 405, 412}, (body, answer.text)
        assert answer.status_code == 204 or answer.json()["error"]["message"]
