"""Limits on the wire."""

from typing import Self

import msgspec

from tenants.budgets import Allowance, Allowed


class LimitView(msgspec.Struct):
    """One limit: in the long run `per_s` times a second, at once `burst` times."""

    name: str
    per_s: float
    burst: int


class LimitsView(msgspec.Struct):
    """All that an app's policy says of how often and how much."""

    limits: list[LimitView]
    quotas: dict[str, int]

    @classmethod
    def of(cls, allowance: Allowance) -> Self:
        """Show an allowance."""
        named = [(name, getattr(allowance, name)) for name in allowance.__struct_fields__]
        return cls(
            limits=[LimitView(name, each.per_s, each.burst) for name, each in named if isinstance(each, Allowed)],
            quotas={name: each for name, each in named if isinstance(each, int)},
        )
