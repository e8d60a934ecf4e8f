"""What a process says of itself."""

import re
import resource
import urllib.request
from pathlib import Path

from tests.support.processes import Service


def rss_mib(service: Service) -> float:
    """How much memory the process holds."""
    assert service.process is not None
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def figures(service: Service) -> dict[str, float]:
    """Its metrics, without the prefix and without those that have labels."""
    with urllib.request.urlopen(service.internal_url + "/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        name.removesuffix("_total"): float(value)
        for name, value in re.findall(r"^roomlog_(\w+) (\S+)$", text, re.MULTILINE)
    }


def raise_open_files() -> None:
    """Allow as many open files as may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
