"""A YAML template and its named transforms: one entity's frame in the shape of another, rejects kept with reasons."""

from p2c_lib.mapping.mapped import Mapped, map_frame
from p2c_lib.mapping.reading import packaged_tasks, parse, template
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.tasks import TASKS, known_tasks, template_in
from p2c_lib.mapping.template import CompareRules, FieldRule, Limits, Parent, Side, Template

__all__ = [
    "TASKS",
    "CompareRules",
    "FieldRule",
    "Limits",
    "Mapped",
    "Parent",
    "Side",
    "Step",
    "Template",
    "known_tasks",
    "map_frame",
    "packaged_tasks",
    "parse",
    "template",
    "template_in",
]
