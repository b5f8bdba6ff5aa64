"""A YAML template and its named transforms: one entity's frame in the shape of another, rejects kept with reasons."""

from p2c_lib.mapping.mapped import Mapped, map_frame
from p2c_lib.mapping.reading import packaged_tasks, parse, template
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.template import CompareRules, FieldRule, Limits, Parent, Side, Template

__all__ = [
    "CompareRules",
    "FieldRule",
    "Limits",
    "Mapped",
    "Parent",
    "Side",
    "Step",
    "Template",
    "map_frame",
    "packaged_tasks",
    "parse",
    "template",
]
