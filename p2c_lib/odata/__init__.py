"""OData to both systems: one client, two dialects as values."""

from p2c_lib.odata.changes import Changes
from p2c_lib.odata.client import Client, Identity
from p2c_lib.odata.drift import Drift, described, drift
from p2c_lib.odata.package import PackageResult
from p2c_lib.odata.query import Expand, Page, Query
from p2c_lib.odata.schema import Column, EntitySchema, Lookup
from p2c_lib.odata.writes import Write, WriteResult
from p2c_lib.patience import Patience

__all__ = [
    "Changes",
    "Client",
    "Column",
    "Drift",
    "EntitySchema",
    "Expand",
    "Identity",
    "Lookup",
    "PackageResult",
    "Page",
    "Patience",
    "Query",
    "Write",
    "WriteResult",
    "described",
    "drift",
]
