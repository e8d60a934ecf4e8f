"""Settings: read once, everything wrong told together, secrets never shown."""

import pytest

from api.settings import BadSettings, Settings

GOOD = {
    "DATABASE_URL": "postgresql://u:dbsecret@h/d",
    "REDIS_URL": "redis://:redissecret@h",
    "ROOMLOG_PEPPER": "p" * 32,
    "ROOMLOG_MASTER_KEYS": "2:bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=,1:bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=",
    "ROOMLOG_OPERATOR_TOKEN": "o" * 32,
}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """One run shows all that must be mended."""
    with pytest.raises(BadSettings) as refused:
        Settings.read({"REDIS_URL": "http://x", "ROOMLOG_PORT": "x", "ROOMLOG_PEPPER": "short", "ROOMLOG_WORKERS": "0"})
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "ROOMLOG_PORT",
        "ROOMLOG_PEPPER",
        "ROOMLOG_MASTER_KEYS",
        "ROOMLOG_WORKERS",
    ):
        assert name in str(refused.value)


def test_defaults_are_safe() -> None:
    """Without more said, both listeners are this machine's own, and there is no operator's REST."""
    settings = Settings.read({name: value for name, value in GOOD.items() if name != "ROOMLOG_OPERATOR_TOKEN"})
    assert (settings.host, settings.internal_host, settings.operator_token) == ("127.0.0.1", "127.0.0.1", None)


def test_secrets_are_not_shown() -> None:
    """A settings object can be logged."""
    shown = repr(Settings.read(GOOD))
    for secret in ("dbsecret", "redissecret", "p" * 32, "o" * 32, "bW1t", "mmm"):
        assert secret not in shown
