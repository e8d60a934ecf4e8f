"""What the API takes and gives, as classes."""

from roomlog._generated.models import *  # noqa: F403 - the generated names are the public ones
