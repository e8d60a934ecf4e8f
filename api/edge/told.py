"""What the API's document tells of an operation beyond what its route says: the shapes that it takes and gives, its refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tenants.errors import ServiceError

Shape: TypeAlias = Any
"""What msgspec can encode: a struct, or a union of structs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client must know to use an operation; every answer in the tests is held against it."""

    gives: Mapping[int, Shape | None]
    """By status, the body's shape; None: no body."""
    takes: Shape | None = None
    """The shape of the request's JSON body."""
    takes_nothing_too: bool = False
    """Whether the body may be left out."""
    refuses: tuple[type[ServiceError], ...] = ()
    """Refusals of its own; those that come with its credential, its body or its parameters are told for it."""
    query: Shape | None = None
    """The query of an operation that reads it by itself."""
    path: str | None = None
    """The path by which clients know it, where the route's own is wider."""
    media_type: str = "application/json"
    """Of what it gives."""
    tags: bool = False
    """Whether what it gives has an entity tag in the header `ETag`."""
