"""HTML that is escaped by construction: whatever is not `Markup` already is text. Pure."""

from html import escape
from typing import Final

VOID: Final = frozenset({"link", "meta"})


class Markup(str):
    """HTML that `element` has made."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """Return `<name ...>children</name>`, children and values escaped unless they are Markup.

    Attributes are written as Python allows (`class_`, `aria_label`). True is an attribute without a value; one that is
    None or False is left out.
    """
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Return `children` one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
