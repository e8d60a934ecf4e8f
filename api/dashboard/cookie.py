"""The one cookie: it names a person's session, and nothing else of the service looks at cookies.

On https its name begins with `__Host-`, under which browsers let no other host of the domain set it, nor any path.
"""

from collections.abc import Iterable

SESSION_HEADER = "set-cookie"
"""Of an answer that names a session, or has it forgotten."""
SECURE_NAME = "__Host-roomlog"
PLAIN_NAME = "roomlog"
"""For http, which is for trying things out: browsers keep `__Host-` for https."""


def session_in(headers: Iterable[tuple[bytes, bytes]], *, is_secure: bool) -> str | None:
    """Give the text by which a request names its session; None for none, and for several."""
    name = SECURE_NAME if is_secure else PLAIN_NAME
    sent = [value.decode("latin-1") for header, value in headers if header == b"cookie"]
    named = [
        part.strip().partition("=")[2]
        for line in sent
        for part in line.split(";")
        if part.strip().partition("=")[0] == name
    ]
    # A second one of the name was set by somebody else: then neither is believed.
    return named[0] if len(named) == 1 and named[0] else None


def naming(session: str, *, is_secure: bool) -> str:
    """Spell the header by which a browser learns its session; it forgets it when it is closed or told to."""
    return _spell(session, is_secure=is_secure)


def forgetting(*, is_secure: bool) -> str:
    """Spell the header by which a browser forgets its session."""
    return _spell("", is_secure=is_secure) + "; Max-Age=0"


def _spell(session: str, *, is_secure: bool) -> str:
    name = SECURE_NAME if is_secure else PLAIN_NAME
    secure = "; Secure" if is_secure else ""
    return f"{name}={session}; Path=/; HttpOnly; SameSite=Lax{secure}"
