"""Files of others that the dashboard serves are those that were looked at."""

import re

from api.dashboard.rendering import INTEGRITY, VENDOR


def test_every_vendored_file_is_as_it_was_published() -> None:
    """Each stands in the list with its digest, and nothing else does."""
    listed = dict(re.findall(r"^\| (\S+) \|.*`(\S+)` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE))
    assert {name: f"sha384-{digest}" for name, digest in listed.items()} == INTEGRITY
