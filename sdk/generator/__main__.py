"""`python -m sdk.generator`: writes `sdk/roomlog/_generated` from `openapi/openapi.json`, and reads nothing else."""

import sys
from pathlib import Path

from sdk.generator.model import build_model
from sdk.generator.read import read_document
from sdk.generator.write import write_package

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Generate; an argument is another folder to write to."""
    target = Path(arguments[0]) if arguments else ROOT / "sdk" / "roomlog" / "_generated"
    write_package(build_model(read_document(ROOT / "openapi" / "openapi.json")), target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
