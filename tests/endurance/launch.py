"""A service process whose patience may be shortened, so that a test need not wait for it."""

import os
import sys

from api.cli import main
from api.subscriptions import connections

if __name__ == "__main__":
    if "ENDURANCE_BLOCKED_S" in os.environ:
        connections.BLOCKED_S = float(os.environ["ENDURANCE_BLOCKED_S"])
    sys.exit(main(["serve"]))
