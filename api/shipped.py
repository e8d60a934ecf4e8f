"""What ships with the code: migrations, the documents, the reference page; and the code itself, for another process."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
_INSTALLED = _HERE / "shipped_files"


def shipped(name: str) -> Path:
    """Give where a file or folder stands: within the package when installed from a wheel, beside it in a checkout."""
    within = _INSTALLED / name
    return within if within.exists() else _HERE.parent / name


def own_command(verb: str) -> list[str]:
    """Give what runs a verb of this very package in another process."""
    # The folder that it is started in may hold another package of that name; a checkout is that folder.
    safely = ["-P"] if _INSTALLED.exists() else []
    return [sys.executable, *safely, "-m", "api", verb]
