"""Settings: read once from the environment, handed down, never asked for again."""

import base64
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tenants.hashing import MIN_PEPPER_BYTES
from tenants.sealing import KEY_BYTES, MasterKeys

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MIN_OPERATOR_TOKEN = 32
MAX_WORKERS = 64
MAX_PORT = 65_535
MAX_SOCKETS = 1_000_000


class BadSettings(Exception):
    """Names are missing or their values are no good; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a process must be told; `read` says how each is named."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    pepper: bytes = field(repr=False)
    master_keys: MasterKeys
    host: str = "127.0.0.1"
    port: int = 8080
    internal_host: str = "127.0.0.1"
    internal_port: int = 8090
    workers: int = 1
    operator_token: str | None = field(default=None, repr=False)
    drain_s: float = 25.0
    drain_delay_s: float = 5.0
    max_strangers: int = 2_000
    max_strangers_per_address: int = 100
    max_failures: int = 60
    trusted_proxies: tuple[Network, ...] = ()
    log_level: str = "info"
    db_fence: str = "control"
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 0
    dashboard_url: str | None = None
    public_url: str | None = None
    smtp_url: str | None = field(default=None, repr=False)

    @property
    def dashboard_at(self) -> str | None:
        """Where browsers reach the dashboard; None where there is none."""
        own = f"http://127.0.0.1:{self.dashboard_port}" if self.dashboard_port else None
        return self.dashboard_url or own

    @property
    def public_at(self) -> str:
        """Where the API is reached."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment; raises `BadSettings` naming everything that is wrong with it.

        `DATABASE_URL` (postgresql://…), `REDIS_URL` (redis://, rediss://, unix://) and `ROOMLOG_PEPPER` (at least 32
        bytes, for keyed hashes; changing it invalidates every API key) must be there, and `ROOMLOG_MASTER_KEYS`
        (`version:base64` of 32 bytes, commas between them, the newest first), which seal the secrets in the database.
        `ROOMLOG_HOST`, `ROOMLOG_PORT`: the public listener. `ROOMLOG_INTERNAL_HOST`, `ROOMLOG_INTERNAL_PORT`: health,
        metrics and the operator's REST, which `ROOMLOG_OPERATOR_TOKEN` (at least 32 characters) opens.
        `ROOMLOG_WORKERS`: processes, the internal port of each one higher than that of the one before.
        `ROOMLOG_DRAIN_S`: how long clients are given to move when a process stops, `ROOMLOG_DRAIN_DELAY_S`: for how
        long it says that it is going before it asks them to. `ROOMLOG_MAX_UNAUTHENTICATED`, `…_PER_ADDRESS`: open
        sockets without a credential. `ROOMLOG_MAX_FAILURES`: wrong credentials of one address in a minute.
        `ROOMLOG_TRUSTED_PROXIES`: networks whose word on a client's address is taken. `ROOMLOG_LOG_LEVEL`: debug,
        info, warning, error. `ROOMLOG_DB_FENCE`: what goes through row-level security, the `control` plane or `all`
        reads (for tests). `ROOMLOG_DASHBOARD_HOST`, `ROOMLOG_DASHBOARD_PORT`: the dashboard's listener, 0 for none;
        `ROOMLOG_DASHBOARD_URL`: by which browsers reach it, and no other; `ROOMLOG_PUBLIC_URL`: that of the API, as the
        dashboard names it; `ROOMLOG_SMTP_URL`: what sends its mails.
        """
        reading = _Reading(environ)
        settings = cls._take(reading)
        reading.finish()
        return settings

    @classmethod
    def told(cls) -> "list[Told]":
        """Give every setting with its default and its bounds, as the README's table has to tell them."""
        reading = _Reading({})
        cls._take(reading)
        return reading.told

    @classmethod
    def _take(cls, reading: "_Reading") -> "Settings":
        return cls(
            database_url=reading.url("DATABASE_URL", "postgresql://", "postgres://"),
            redis_url=reading.url("REDIS_URL", "redis://", "rediss://", "unix://"),
            pepper=reading.secret("ROOMLOG_PEPPER", MIN_PEPPER_BYTES).encode(),
            master_keys=reading.master_keys("ROOMLOG_MASTER_KEYS"),
            host=reading.text("ROOMLOG_HOST", "127.0.0.1"),
            port=reading.number("ROOMLOG_PORT", 8080, 0, MAX_PORT),
            internal_host=reading.text("ROOMLOG_INTERNAL_HOST", "127.0.0.1"),
            internal_port=reading.number("ROOMLOG_INTERNAL_PORT", 8090, 0, MAX_PORT),
            workers=reading.number("ROOMLOG_WORKERS", 1, 1, MAX_WORKERS),
            operator_token=reading.optional_secret("ROOMLOG_OPERATOR_TOKEN", MIN_OPERATOR_TOKEN),
            drain_s=float(reading.number("ROOMLOG_DRAIN_S", 25, 0, 300)),
            drain_delay_s=float(reading.number("ROOMLOG_DRAIN_DELAY_S", 5, 0, 300)),
            max_strangers=reading.number("ROOMLOG_MAX_UNAUTHENTICATED", 2_000, 1, MAX_SOCKETS),
            max_strangers_per_address=reading.number("ROOMLOG_MAX_UNAUTHENTICATED_PER_ADDRESS", 100, 1, MAX_SOCKETS),
            max_failures=reading.number("ROOMLOG_MAX_FAILURES", 60, 1, 1_000_000),
            trusted_proxies=reading.networks("ROOMLOG_TRUSTED_PROXIES"),
            log_level=reading.choice("ROOMLOG_LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
            db_fence=reading.choice("ROOMLOG_DB_FENCE", "control", ("control", "all")),
            dashboard_host=reading.text("ROOMLOG_DASHBOARD_HOST", "127.0.0.1"),
            dashboard_port=reading.number("ROOMLOG_DASHBOARD_PORT", 0, 0, MAX_PORT),
            dashboard_url=reading.optional_url("ROOMLOG_DASHBOARD_URL", "http://", "https://"),
            public_url=reading.optional_url("ROOMLOG_PUBLIC_URL", "http://", "https://"),
            smtp_url=reading.optional_url("ROOMLOG_SMTP_URL", "smtp://", "smtps://"),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one setting."""

    name: str
    default: str | None
    """As one would write it; None for one that must be given."""
    bounds: str | None = None
    """What its value must be, in words."""
    is_required: bool = False


class _Reading:
    """Reads names one by one, remembers what was wrong with them, and what may be said of them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._faults: list[str] = []
        self.told: list[Told] = []

    def text(self, name: str, default: str) -> str:
        self.told.append(Told(name, default))
        return self._environ.get(name, default)

    def url(self, name: str, *schemes: str) -> str:
        expected = " or ".join(schemes)
        self.told.append(Told(name, None, is_required=True))
        return self._take(name, lambda value: value.startswith(schemes), f"start with {expected}")

    def optional_url(self, name: str, *schemes: str) -> str | None:
        expected = " or ".join(schemes)
        self.told.append(Told(name, "none"))
        if name not in self._environ:
            return None
        return self._take(name, lambda value: value.startswith(schemes), f"start with {expected}").rstrip("/")

    def secret(self, name: str, length: int) -> str:
        self.told.append(Told(name, None, f"at least {length} characters", is_required=True))
        return self._long_enough(name, length)

    def optional_secret(self, name: str, length: int) -> str | None:
        self.told.append(Told(name, "none", f"at least {length} characters"))
        return self._long_enough(name, length) if name in self._environ else None

    def master_keys(self, name: str) -> MasterKeys:
        self.told.append(Told(name, None, is_required=True))
        value = self._environ.get(name)
        must = f"be version:base64, of {KEY_BYTES} bytes, with commas between them, the newest first"
        if value is None:
            self._faults.append(f"{name} is missing: it must {must}")
        else:
            try:
                return MasterKeys.parse(value)
            except ValueError as error:
                self._faults.append(f"{name} must {must}: {error}")
        return MasterKeys({"-": bytes(KEY_BYTES)})  # never used: `finish` raises

    def number(self, name: str, default: int, least: int, most: int) -> int:
        self.told.append(Told(name, str(default), f"{least} to {most}"))
        text = self._environ.get(name, str(default))
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        self._faults.append(f"{name} must be a number from {least} to {most}")
        return default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        self.told.append(Told(name, default, ", ".join(choices)))
        value = self._environ.get(name, default)
        if value not in choices:
            self._faults.append(f"{name} must be one of {', '.join(choices)}")
        return value

    def networks(self, name: str) -> tuple[Network, ...]:
        self.told.append(Told(name, "none"))
        found: list[Network] = []
        for text in filter(None, (part.strip() for part in self._environ.get(name, "").split(","))):
            try:
                found.append(ipaddress.ip_network(text))
            except ValueError:
                self._faults.append(f"{name} must be networks such as 10.0.0.0/8, separated by commas, not {text}")
        return tuple(found)

    def finish(self) -> None:
        if self._faults:
            raise BadSettings("\n".join(self._faults))

    def _long_enough(self, name: str, length: int) -> str:
        return self._take(name, lambda value: len(value) >= length, f"be at least {length} long")

    def _take(self, name: str, holds: Callable[[str], bool], must: str) -> str:
        value = self._environ.get(name)
        if value is None:
            self._faults.append(f"{name} is missing: it must {must}")
            return ""
        if not holds(value):
            self._faults.append(f"{name} must {must}")
        return value


def kept_master_key(folder: Path) -> str:
    """Give a master key kept in a file that only its owner reads, drawing it on first use."""
    file = folder / "master-key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text("1:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return file.read_text()


@dataclass(frozen=True, slots=True)
class MigrateSettings:
    """What `migrate` must be told."""

    database_url: str = field(repr=False)
    db_user: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "MigrateSettings":
        """Read `DATABASE_URL`, here of the user who is to own the schema, and `ROOMLOG_DB_USER`, who is to serve it."""
        reading = _Reading(environ)
        settings = cls(reading.url("DATABASE_URL", "postgresql://", "postgres://"), environ.get("ROOMLOG_DB_USER"))
        reading.finish()
        return settings


def kept_secret(folder: Path, name: str) -> str:
    """Give a secret kept in a file that only its owner reads, drawing it on first use."""
    file = folder / name
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48))
    return file.read_text()
