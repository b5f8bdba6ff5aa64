"""Keys in addresses, as each service takes them: empty parts, characters no path carries, rows that are not there."""

from __future__ import annotations

import httpx

VARIANT = {"dataAreaId": "usmf", "ProductMasterNumber": "M", "ProductSizeId": "L"}
ADDRESS = (
    "ReleasedProductVariantsV2(dataAreaId='usmf',ProductMasterNumber='M',ProductConfigurationId='',ProductSizeId='L',"
    "ProductColorId='{}',ProductStyleId='',ProductVersionId='')?cross-company=true"
)


def test_an_empty_part_of_a_key_is_a_value_like_any_other(finops: httpx.Client) -> None:
    assert finops.post("LegalEntities", json={"LegalEntityId": "usmf"}).status_code == 201
    assert finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductName": "Plain"}).status_code == 201
    assert finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductColorId": "Red"}).status_code == 201
    again = finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductColorId": " ", "ProductStyleId": ""})
    assert "The record already exists." in again.json()["error"]["innererror"]["message"]
    assert finops.get(ADDRESS.format("")).json()["ProductName"] == "Plain"
    found = finops.get("ReleasedProductVariantsV2?cross-company=true&$filter=ProductColorId eq ''").json()["value"]
    assert [(row["ProductName"], row["ProductColorId"]) for row in found] == [("Plain", "")]
    assert finops.patch(ADDRESS.format(""), json={"ProductName": "Without colour"}).status_code == 204
    assert finops.get(ADDRESS.format("Red")).json()["ProductName"] == ""
    assert finops.delete(ADDRESS.format("")).status_code == 204
    assert finops.delete(ADDRESS.format("")).status_code == 400
    without = finops.post("ReleasedProductVariantsV2", json={"dataAreaId": "usmf"})
    assert "'ProductMasterNumber' must be filled in" in without.json()["error"]["innererror"]["message"]
