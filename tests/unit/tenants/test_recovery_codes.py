"""Recovery codes: drawn, spelt and hashed."""

import re

from tenants.recovery_codes import code_hash, new_codes


def test_ten_codes_are_drawn_and_each_is_random() -> None:
    """Of 120 bits, in groups of four that can be told on paper."""
    codes = [*new_codes(), *new_codes()]
    assert len(set(codes)) == 20
    for code in codes:
        assert re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){5}", code)


def test_a_code_is_the_same_however_it_is_typed() -> None:
    """In whatever case and groups; another letter is another code, and any text can be tried."""
    code = new_codes()[0]
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')}\n"):
        assert code_hash(typed) == code_hash(code)
    for other in (code[:-1], code + "A", "", "\ud800", "\x00"):
        assert code_hash(other) != code_hash(code)
