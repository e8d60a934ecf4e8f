"""The table of SECURITY.md: each requirement, how it is kept, and the tests that prove it.

`python -m tests.support.requirements` prints the tests, for `./test security`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_PROOF = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@dataclass(frozen=True)
class Proof:
    """A test, or all tests of a file."""

    file: str
    test: str | None

    def __str__(self) -> str:
        return self.file if self.test is None else f"{self.file}::{self.test}"

    @property
    def exists(self) -> bool:
        path = ROOT / self.file
        if not path.is_file():
            return False
        names = {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        return self.test is None or self.test in names


def requirements() -> Iterator[tuple[str, list[Proof]]]:
    """Give each requirement's id with its proofs."""
    for row in _ROW.finditer((ROOT / "SECURITY.md").read_text()):
        yield row[1], [Proof(file, test or None) for file, test in _PROOF.findall(row[3])]


if __name__ == "__main__":
    print(*sorted({str(proof) for _, proofs in requirements() for proof in proofs}), sep="\n")
