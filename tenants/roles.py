"""Roles: as whom the service speaks to PostgreSQL. Migrations make them; what each may do stands there alone."""

from enum import StrEnum
from typing import Any

import asyncpg

MEMBERSHIP_SINCE = 16
"""From this major version on, to be a member of a role does not imply that one may assume it."""

MISSING = """
SELECT w.name FROM unnest($1::text[]) AS w(name) LEFT JOIN pg_roles r ON r.rolname = w.name
 WHERE r.oid IS NULL OR NOT pg_has_role(coalesce($2, session_user), r.oid, $3) ORDER BY w.name
"""


class Role(StrEnum):
    """A group that a connection assumes when it opens; none owns anything."""

    LANE = "roomlog_lane"
    """Calls the functions that write logs."""
    AUDIT = "roomlog_audit"
    """Reads commits and epochs."""
    READER = "roomlog_reader"
    """Reads on hot paths, where each statement names its apps."""
    RLS = "roomlog_rls"
    """Reads and writes what is in the scope of its transaction, row by row."""
    GROUND = "roomlog_ground"
    """Finds tenants and apps before there is a scope."""
    PEOPLE = "roomlog_people"
    """Signs people in to the dashboard, and sees to who they are."""


async def missing_roles(connection: "asyncpg.Connection[Any]", user: str | None = None) -> list[str]:
    """Name the roles that a user, or else who is connected, cannot assume."""
    kind = "SET" if connection.get_server_version().major >= MEMBERSHIP_SINCE else "MEMBER"
    rows = await connection.fetch(MISSING, [role.value for role in Role], user, kind)
    return [row["name"] for row in rows]
