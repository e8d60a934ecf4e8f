"""A class for each code that the service refuses with; all are `ApiError`."""

from roomlog._generated.errors import *  # noqa: F403 - the generated names are the public ones
