"""URLs that a reader could take in two ways, or that no text could be kept of, are refused before anything is done."""

from typing import Any, get_args

from litestar import Request

from api.errors import BadRequest


def refuse_unclear(request: Request[Any, Any, Any]) -> None:
    """Raise `BadRequest` for a slash inside an id, a NUL, and a parameter given twice, or as `null` where no text is meant."""
    # The server has decoded it and gone to another route than was asked for.
    if b"%2f" in request.scope["raw_path"].lower():
        raise BadRequest("An id in a path has no slash, encoded or not.")
    # The database has no such letter, and would raise.
    if b"%00" in request.scope["raw_path"] + request.scope["query_string"]:
        raise BadRequest("No text has a NUL (%00).")
    if not request.scope["query_string"]:
        return
    parameters = request.route_handler.parsed_fn_signature.parameters
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in parameters:
            continue
        if name in seen:
            raise BadRequest(f"{name}: give it once.")
        seen.add(name)
        # The framework would take it as absent.
        if value == "null" and str not in get_args(parameters[name].annotation):
            raise BadRequest(f"{name}: leave it out, or give a value.")
