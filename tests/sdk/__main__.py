"""`./test sdk through`: ten minutes of chat through a bad network; prints what came of it."""

import argparse
import asyncio
import random
import sys

from roomlog.testing import running_chat_server
from tests.sdk.through import Run, missing


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test sdk", description=__doc__)
    parser.add_argument("what", choices=["through"])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with running_chat_server([sys.executable, "-m", "api"]) as server:
        told = asyncio.run(Run(server, given.seed).go(given.seconds))
    print(told)
    print(f"acknowledged messages that the log has too few: {missing(told)}")
    print(*told.complaints[:20], sep="\n")
    return 1 if told.complaints or missing(told) else 0


if __name__ == "__main__":
    sys.exit(main())
