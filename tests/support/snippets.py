"""The fenced blocks of a page."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Snippet:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets(page: Path) -> list[Snippet]:
    """Give the blocks of a page that name a language."""
    text = page.read_text()
    return [
        Snippet(page, text.count("\n", 0, found.start()) + 2, found[1], found[2])
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
