"""The transforms as a reference page, from their own docstrings and signatures."""

from __future__ import annotations

import inspect

from p2c_lib.mapping.transforms import REGISTRY, Transform
from p2c_lib.mapping.transforms.arguments import in_words

__all__ = ["transforms_page"]

HEAD = """\
# Transforms

A rule's `apply` is a list of steps. A step is a transform's name (`trim`), or a mapping that begins with it:
`{truncate: 60}` gives the main argument, further keys are named arguments, and `otherwise` says what becomes of a value
the transform cannot convert: `reject` the row with a reason (the default), `null` or `keep` it. Transforms that join
several columns stand first in the list, after a `from` with several paths.

This page is made from the transforms themselves; a test keeps it so.
"""


def transforms_page() -> str:
    """Every transform with its arguments, in Markdown."""
    named = sorted(REGISTRY.items())
    table = "\n".join(f"| [`{name}`](#{name}) | {made.summary.replace('``', '`')} |" for name, made in named)
    parts = [HEAD, f"| transform | what it gives |\n| --- | --- |\n{table}\n", *(_section(made) for _, made in named)]
    return "\n".join(parts)


def _section(made: Transform) -> str:
    arguments = [f"- `{name}`: {_kind(given)}" for name, given in made.parameters.items()]
    reads = "Joins several columns.\n\n" if made.reads == "columns" else ""
    listed = "\n".join(arguments) + "\n" if arguments else "No arguments.\n"
    return f"## {made.name}\n\n{made.documentation.replace('``', '`')}\n\n{reads}{listed}"


def _kind(given: inspect.Parameter) -> str:
    kind = in_words(given.annotation)
    return f"{kind}, needed" if given.default is inspect.Parameter.empty else f"{kind}, else `{given.default}`"
