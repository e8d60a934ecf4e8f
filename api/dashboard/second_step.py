"""Between the password and the code: a text that says who has shown the password, and nothing else; it is no session.

It holds for five minutes, and for one sign-in: it names how the password and all codes stand, and the code that ends the sign-in
changes that. Nothing is kept of it.
"""

import hmac
from dataclasses import dataclass

from tenants.hashing import Pepper
from tenants.ids import PersonId, parse_person_name, person_name

HOLDS_S = 5 * 60
PURPOSE = "dashboard second step "
"""Before what is hashed: no API secret has a space."""


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Somebody who has shown the password."""

    person: PersonId
    stamp: str
    """How the second factor stood then: `tenants.second_factors`."""


def spell_step(pepper: Pepper, step: SecondStep, moment_s: float) -> str:
    """Give the text of somebody who has just shown the password."""
    said = f"{person_name(step.person)}.{int(moment_s) + HOLDS_S}.{step.stamp}"
    return f"{said}.{_sign(pepper, said)}"


def read_step(pepper: Pepper, text: str, moment_s: float) -> SecondStep | None:
    """Read such a text; None for one that is not ours or holds no more."""
    said, _, signature = text.rpartition(".")
    if not hmac.compare_digest(_sign(pepper, said).encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    name, ends_at, stamp = said.split(".")
    person = parse_person_name(name)
    return None if person is None or moment_s >= int(ends_at) else SecondStep(person, stamp)


def _sign(pepper: Pepper, said: str) -> str:
    return pepper.secret_hash(PURPOSE + said).hex()
