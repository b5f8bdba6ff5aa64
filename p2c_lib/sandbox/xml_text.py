"""XML that came from outside: remarks, CDATA and instructions are taken, a document type, which declares, is not."""

from __future__ import annotations

from typing import NoReturn
from xml.etree import ElementTree

__all__ = ["DocumentType", "parsed_xml"]


class DocumentType(ValueError):
    """XML began with a document type."""


class _Plain(ElementTree.TreeBuilder):
    """Makes the elements; ends where a document type begins, before it can declare anything."""

    def doctype(self, *_said: str | None) -> NoReturn:
        """What the parser calls for a document type."""
        raise DocumentType("a document type is not allowed")


def parsed_xml(content: str | bytes) -> ElementTree.Element:
    """The root element. Raises DocumentType for XML that has one, ElementTree.ParseError for what is no XML.

    >>> parsed_xml("<a><!-- a remark --><![CDATA[<b>]]></a>").text
    '<b>'
    """
    parser = ElementTree.XMLParser(target=_Plain())  # noqa: S314 - no entity can be declared
    parser.feed(content)
    root: ElementTree.Element = parser.close()
    return root
