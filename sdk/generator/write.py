"""Writing the modules: templates filled from the model, then the formatter, so that the same document gives the same text."""

import subprocess
import sys
import textwrap
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sdk.generator.model import Model

TEMPLATES = Path(__file__).parent / "templates"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
MODULES = ("__init__", "models", "errors", "resources", "aresources")
WIDTH = 110


def write_package(model: Model, target: Path) -> None:
    """Write the generated package."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes Python
    )
    environment.filters["docstring"] = docstring
    target.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        is_async = name == "aresources"
        template = environment.get_template(f"{name.removeprefix('a')}.py.jinja")
        (target / f"{name}.py").write_text(template.render(model=model, is_async=is_async))
    files = [str(target / f"{name}.py") for name in MODULES]
    # Wherever it is written to, it is formatted as in this repository.
    config = ["--quiet", "--config", str(PROJECT)]
    for command in (["check", "--fix-only", "--select", "I,F401"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *config, *files], check=True)


def docstring(text: str, indent: int) -> str:
    """Write a text as a docstring at this depth."""
    text = text.replace("\\", "\\\\").replace('"""', "'''").strip()
    if not text.endswith((".", "!", "?", ":", "`")):
        text += "."
    first, *rest = text.split("\n\n")
    pad = " " * indent
    lines = textwrap.wrap(first, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    if not rest and len(lines) == 1:
        return f'"""{lines[0]}"""'
    body = "\n".join(
        "\n".join(f"{pad}{line}" if line else "" for line in _wrapped(paragraph, WIDTH - indent)) + "\n"
        for paragraph in rest
    )
    head = f"\n{pad}".join(lines)
    return f'"""{head}\n\n{body}{pad}"""' if rest else f'"""{head}\n{pad}"""'


def _wrapped(paragraph: str, width: int) -> list[str]:
    if paragraph.lstrip().startswith("- ") or "\n" in paragraph:
        return [
            line
            for item in paragraph.split("\n")
            for line in textwrap.wrap(
                item, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
        ]
    return textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False)
