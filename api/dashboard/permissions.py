"""Who may do what: one table, looked at in one place (`api.dashboard.visit`).

Of a team's members only those may be touched whose role one may give: `tenants.people` sees to that.
"""

from collections.abc import Mapping
from enum import StrEnum

from tenants.people import PersonRole


class Operation(StrEnum):
    """One thing that a person may do in the dashboard; each route names its own."""

    OWN_ACCOUNT = "own_account"
    """One's own name, password and sessions."""
    SECOND_FACTOR = "second_factor"
    """One's own."""
    SEE_APPS = "see_apps"
    CREATE_APP = "create_app"
    CHANGE_APP = "change_app"
    """Name, origins, retention, suspension."""
    DELETE_APP = "delete_app"
    SEE_KEYS = "see_keys"
    CREATE_KEY = "create_key"
    ROTATE_KEY = "rotate_key"
    REVOKE_KEY = "revoke_key"
    SEE_SIGNING_KEYS = "see_signing_keys"
    CREATE_SIGNING_KEY = "create_signing_key"
    RETIRE_SIGNING_KEY = "retire_signing_key"
    SEE_ROOMS = "see_rooms"
    """Rooms with what was said in them, as it stands and as it comes."""
    SEE_USERS = "see_users"
    USE_PLAYGROUND = "use_playground"
    SEE_TEAM = "see_team"
    INVITE = "invite"
    CHANGE_ROLE = "change_role"
    REMOVE_MEMBER = "remove_member"
    SEE_AUDIT = "see_audit"
    SEE_USAGE = "see_usage"
    SEE_REQUESTS = "see_requests"
    """The request log: whose users asked for what."""


LEAST: Mapping[Operation, PersonRole] = {
    Operation.OWN_ACCOUNT: PersonRole.VIEWER,
    Operation.SECOND_FACTOR: PersonRole.VIEWER,
    Operation.SEE_APPS: PersonRole.VIEWER,
    Operation.CREATE_APP: PersonRole.ADMIN,
    Operation.CHANGE_APP: PersonRole.ADMIN,
    Operation.DELETE_APP: PersonRole.ADMIN,
    Operation.SEE_KEYS: PersonRole.VIEWER,
    Operation.CREATE_KEY: PersonRole.DEVELOPER,
    Operation.ROTATE_KEY: PersonRole.DEVELOPER,
    Operation.REVOKE_KEY: PersonRole.DEVELOPER,
    Operation.SEE_SIGNING_KEYS: PersonRole.VIEWER,
    Operation.CREATE_SIGNING_KEY: PersonRole.DEVELOPER,
    Operation.RETIRE_SIGNING_KEY: PersonRole.DEVELOPER,
    # What users say to each other is nobody's business who only looks at figures and settings.
    Operation.SEE_ROOMS: PersonRole.DEVELOPER,
    Operation.SEE_USERS: PersonRole.DEVELOPER,
    Operation.USE_PLAYGROUND: PersonRole.DEVELOPER,
    Operation.SEE_TEAM: PersonRole.ADMIN,
    Operation.INVITE: PersonRole.ADMIN,
    Operation.CHANGE_ROLE: PersonRole.ADMIN,
    Operation.REMOVE_MEMBER: PersonRole.ADMIN,
    Operation.SEE_AUDIT: PersonRole.ADMIN,
    Operation.SEE_USAGE: PersonRole.VIEWER,
    Operation.SEE_REQUESTS: PersonRole.DEVELOPER,
}
"""The least role for each operation; who has a higher one may do it too."""


PROVED = frozenset({Operation.CREATE_KEY, Operation.ROTATE_KEY, Operation.DELETE_APP, Operation.SECOND_FACTOR})
"""What shows a secret or destroys for good: for this a person has shown the password of late, and a code if one is asked for."""
PROOF_S = 15 * 60
"""For how long it counts."""


def may(role: PersonRole, operation: Operation) -> bool:
    """Tell whether a person of this role may do that."""
    return role.includes(LEAST[operation])
