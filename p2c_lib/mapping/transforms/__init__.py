"""The transforms a template may name, in one registry. A transform is a plain function; a chain is a list."""

from p2c_lib.mapping.transforms import codes, combine, dates, numbers, text
from p2c_lib.mapping.transforms.registry import REGISTRY, Context, Converted, Policy, Transform

__all__ = [
    "REGISTRY",
    "Context",
    "Converted",
    "Policy",
    "Transform",
    "codes",
    "combine",
    "dates",
    "numbers",
    "text",
]
