"""Identifiers of tenants, people, apps, keys and users, and how the numbers inside look outside."""

import secrets
from typing import NewType

TenantId = NewType("TenantId", int)
PersonId = NewType("PersonId", int)
"""Somebody who signs in to the dashboard; never one of an app's users."""
AppId = NewType("AppId", int)
KeyNumber = NewType("KeyNumber", int)
UserNumber = NewType("UserNumber", int)
UserId = NewType("UserId", str)
"""What the customer calls a user; a deleted user's id may name a new user later, a number never does."""

THE_APP = UserNumber(0)
"""The number under which an app itself, rather than one of its users, writes."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
APP_WIDTH = 8
"""Characters of an app's or tenant's public number: 62**8 is about 2**47."""
KEY_WIDTH = 4


def to_base62(number: int, width: int) -> str:
    """Write a non-negative number in base 62, padded with zeros to `width`; raises OverflowError past it."""
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    if len(digits) > width:
        msg = f"does not fit {width} base 62 digits"
        raise OverflowError(msg)
    return "".join(reversed(digits)).rjust(width, "0")


def from_base62(text: str) -> int:
    """Read a base 62 number; raises ValueError on any other character."""
    number = 0
    for character in text:
        number = number * 62 + ALPHABET.index(character)
    return number


def new_app_id() -> AppId:
    """Draw an app's number at random: its public form must not tell how many apps there are."""
    return AppId(1 + secrets.randbelow(62**APP_WIDTH - 1))


def new_tenant_id() -> TenantId:
    """Draw a tenant's number at random."""
    return TenantId(1 + secrets.randbelow(62**APP_WIDTH - 1))


def new_person_id() -> PersonId:
    """Draw a person's number at random."""
    return PersonId(1 + secrets.randbelow(62**APP_WIDTH - 1))


def app_name(app: AppId) -> str:
    """Spell an app's id as customers see it: `app_` and eight characters."""
    return "app_" + to_base62(app, APP_WIDTH)


def tenant_name(tenant: TenantId) -> str:
    """Spell a tenant's id as operators see it: `ten_` and eight characters."""
    return "ten_" + to_base62(tenant, APP_WIDTH)


def person_name(person: PersonId) -> str:
    """Spell a person's id as members of a tenant see it: `per_` and eight characters."""
    return "per_" + to_base62(person, APP_WIDTH)


def parse_app_name(name: str) -> AppId | None:
    """Read what `app_name` wrote; None for anything else."""
    number = _parse(name, "app_")
    return None if number is None else AppId(number)


def parse_tenant_name(name: str) -> TenantId | None:
    """Read what `tenant_name` wrote; None for anything else."""
    number = _parse(name, "ten_")
    return None if number is None else TenantId(number)


def parse_person_name(name: str) -> PersonId | None:
    """Read what `person_name` wrote; None for anything else."""
    number = _parse(name, "per_")
    return None if number is None else PersonId(number)


def _parse(name: str, prefix: str) -> int | None:
    digits = name.removeprefix(prefix)
    if digits == name or len(digits) != APP_WIDTH:
        return None
    try:
        return from_base62(digits)
    except ValueError:
        return None
