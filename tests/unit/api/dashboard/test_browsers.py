"""What browsers say of themselves, and what is believed of it."""

import pytest

from api.dashboard.cookie import forgetting, naming, session_in
from api.dashboard.csrf import form_token, is_from_own_page, is_token_of, origin_of
from api.dashboard.headers import content_policy
from tenants.hashing import Pepper

URL = "https://dashboard.example.com"


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"origin": URL, "sec-fetch-site": "same-origin"}, True),
        ({"origin": URL}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://dashboard.example.com"}, False),
        ({"origin": URL + ":444"}, False),
        ({"origin": URL + ".evil.example"}, False),
        ({"origin": URL, "sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
    ],
)
def test_a_form_is_ours_by_what_pages_cannot_change(headers: dict[str, str], *, is_own: bool) -> None:
    """All that a browser says of a form's page must be right, and something must be said."""
    assert is_from_own_page(headers, URL) is is_own


def test_an_origin_is_spelt_as_browsers_spell_it() -> None:
    """In lower case, and without the port that is the scheme's own."""
    assert origin_of("https://Dashboard.Example.com:443") == URL
    assert origin_of("http://127.0.0.1:8070") == "http://127.0.0.1:8070"
    assert origin_of("http://example.com:443") == "http://example.com:443"


def test_a_form_token_is_one_session_s_and_one_deployment_s() -> None:
    """It opens no other session's forms, and none of a service with another pepper."""
    pepper, other = Pepper(b"p" * 32), Pepper(b"q" * 32)
    token = form_token(pepper, "a")
    assert is_token_of(pepper, "a", token)
    assert not is_token_of(pepper, "b", token)
    assert not is_token_of(other, "a", token)
    assert not is_token_of(pepper, "a", "é")


def test_on_https_the_session_is_the_host_s_alone() -> None:
    """Then browsers take it from nobody else, and send it by nothing but https."""
    assert naming("s", is_secure=True) == "__Host-roomlog=s; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert forgetting(is_secure=True).endswith("; Secure; Max-Age=0")
    assert session_in([(b"cookie", b"__Host-roomlog=s")], is_secure=True) == "s"
    assert session_in([(b"cookie", b"roomlog=s")], is_secure=True) is None


@pytest.mark.parametrize("sent", [b"", b"roomlog=", b"other=1", b"roomlog=a; roomlog=b", b"xroomlog=a", b"roomlog"])
def test_what_names_no_session_or_several_names_none(sent: bytes) -> None:
    """A second one of the name was set by somebody else."""
    assert session_in([(b"cookie", sent)], is_secure=False) is None
    assert session_in([(b"cookie", b"roomlog=a"), (b"cookie", b"roomlog=b")], is_secure=False) is None


def test_pages_may_load_what_carries_the_nonce_and_nothing_from_elsewhere() -> None:
    """No host is named, no inline style or script is let through."""
    policy = content_policy("abc")
    assert "script-src 'nonce-abc' 'strict-dynamic'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
