"""What the dashboard is made of."""

from dataclasses import dataclass

from api.dashboard.mailer import Mailer
from api.log.read import Reader
from tenants.authority import Authority
from tenants.hashing import Pepper
from tenants.limits import Limits
from tenants.passwords import Passwords
from tenants.postgres import Postgres
from tenants.sealing import MasterKeys


@dataclass(frozen=True, slots=True)
class DashboardParts:
    """All that its handlers work with."""

    postgres: Postgres
    pepper: Pepper
    master_keys: MasterKeys
    passwords: Passwords
    limits: Limits
    reader: Reader
    authority: Authority
    public_url: str
    """Where the API answers, as snippets name it."""
    dashboard_url: str
    """Where the dashboard answers: links in mails begin with it, and no other host is served."""
    is_secure: bool
    """Whether browsers come by https."""
    mailer: Mailer
