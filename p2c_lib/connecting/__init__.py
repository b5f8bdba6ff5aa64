"""Whether a connection set leads where it should: address, TLS, token, identity, entities, rights, and what to do."""

from p2c_lib.connecting.result import ConnectionCheck, Finding
from p2c_lib.connecting.walk import check_connection

__all__ = ["ConnectionCheck", "Finding", "check_connection"]
