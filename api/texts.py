"""Texts of one form, as shapes name them."""

from typing import Annotated

import msgspec

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A moment as RFC 3339, in UTC with milliseconds; for people, not for order."""
Day = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
