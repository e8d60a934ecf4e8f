"""Forms that other sites' pages send in a person's name are refused: by whence they come, and by a token of the session."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from tenants.hashing import Pepper

TOKEN = "form_token"  # noqa: S105 - a field's name
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_PORTS = {"http": ":80", "https": ":443"}
PURPOSE = "dashboard form "
"""Before what is hashed: no API secret has a space."""


def is_from_own_page(headers: Mapping[str, str], dashboard_url: str) -> bool:
    """Tell whether a form comes from a page of ours, by what browsers say of it and pages cannot change.

    Who says nothing at all is no browser that holds somebody's session, and is refused too.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    return origin in {None, origin_of(dashboard_url)} and site in {None, "same-origin"}


def origin_of(url: str) -> str:
    """Give a URL's origin as browsers spell it: without the port that is its scheme's own."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(OWN_PORTS.get(parts.scheme, ''))}"


def form_token(pepper: Pepper, session: str) -> str:
    """Give the token that the forms of a session carry."""
    return pepper.secret_hash(PURPOSE + session).hex()


def is_token_of(pepper: Pepper, session: str, token: str) -> bool:
    """Tell whether a form carries its session's token."""
    return hmac.compare_digest(form_token(pepper, session).encode(), token.encode())
