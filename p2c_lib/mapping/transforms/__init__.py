"""The transforms a template may name, in one registry. A transform is a plain function; a chain is a list."""

from p2c_lib.mapping.transforms import codes, combine, text
from p2c_lib.mapping.transforms.registry import REGISTRY, Converted, Policy, Transform, find

__all__ = ["REGISTRY", "Converted", "Policy", "Transform", "codes", "combine", "find", "text"]
