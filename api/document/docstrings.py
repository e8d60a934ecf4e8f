"""What classes and functions say of themselves, for people who read the document."""

import ast
import inspect
import re
import textwrap
from functools import cache

_MARKUP = re.compile(r"\s+")


def summary_of(thing: object) -> str:
    """Give the first sentence of a docstring, without its full stop."""
    return _paragraphs(thing)[0].rstrip(".")


def rest_of(thing: object) -> list[str]:
    """Give the paragraphs of a docstring after its summary."""
    return _paragraphs(thing)[1:]


def description_of(thing: object) -> str:
    """Give a whole docstring, its lines joined within paragraphs."""
    return "\n\n".join(_paragraphs(thing))


@cache
def fields_of(shape: type) -> dict[str, str]:
    """Give what stands beneath each field or member of a class, those that it inherits included."""
    found: dict[str, str] = {}
    for kind in reversed(shape.__mro__):
        if kind.__module__.partition(".")[0] in {"api", "tenants"}:
            found |= _own_fields(kind)
    return found


def _own_fields(shape: type) -> dict[str, str]:
    lines = next(
        node
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(shape))))
        if isinstance(node, ast.ClassDef)
    )
    found: dict[str, str] = {}
    for field, text in zip(lines.body, lines.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = _joined(words)
            case _:
                pass
    return found


def _paragraphs(thing: object) -> list[str]:
    words = inspect.getdoc(thing) or ""
    return [_joined(paragraph) for paragraph in words.split("\n\n")]


def _joined(words: str) -> str:
    return _MARKUP.sub(" ", words).strip()
