"""What the theme leaves without a name gets one, for those who hear the page."""

from __future__ import annotations

from typing import Any

__all__ = ["on_post_page", "on_post_template"]

NAMELESS = {
    'data-md-component="search" role="dialog"': 'aria-label="Search"',
    'type="checkbox" id="__search"': 'aria-label="Search"',
    'type="checkbox" id="__drawer"': 'aria-label="Contents"',
}


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's dialogs and switches on a page; mkdocs calls this by its name."""
    for element, label in NAMELESS.items():
        output = output.replace(element, f"{element} {label}")
    return output


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for pages without a source, such as 404.html."""
    return on_post_page(output_content)
