"""Schemathesis over the whole document, on the real service: examples, bounds, made-up requests, walks along links."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.document import DOCUMENT, document
from tests.support.processes import ROOT
from tests.support.world import App

APART = {"connect", "subscribeRoom", "deleteOwnApp"}
"""A socket, a stream without an end, and the end of the app that all is tried on: tests ask for each by hand."""
WALKS = 20
"""For each request that is made up for an operation, so many walks along links."""
# Not `use_after_free`: a deleted message stays, without its parts.
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "ensure_resource_availability"),
    *("ignored_auth", "missing_required_header"),
)


CONFIG = """
[generation]
max-examples = {examples}
no-shrink = true

[phases.stateful]
max-steps = 8

[phases.stateful.generation]
max-examples = {walks}

# Only the links that the document itself has.
[phases.stateful.inference]
algorithms = []
"""


@dataclass
class Walked:
    """What came of it."""

    status: int
    report: str
    answers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Statuses by operation."""

    @property
    def never_done(self) -> set[str]:
        """Operations that were never answered 2xx."""
        ids = {operation["operationId"] for path in document()["paths"].values() for operation in path.values()}
        done = {name for name, statuses in self.answers.items() if any(200 <= status < 300 for status in statuses)}
        return ids - done - APART

    @property
    def failed(self) -> set[str]:
        """Operations that were answered 5xx."""
        return {name for name, statuses in self.answers.items() if any(status >= 500 for status in statuses)}


async def things(app: App) -> dict[str, str]:
    """Make one thing of each kind; gives ids by the names of paths' parameters, with `other_` those that may be ended."""
    # Those of the document's examples, which may be deleted, and others, which stay.
    for room, user in (("general", "alice"), ("lobby", "ann")):
        await app.room(room, (user, "bob"))
        await app.ask("PUT", f"/v1/rooms/{room}/members/{user}", {"role": "admin"})
    said, other = [await app.say("lobby", "Hello", "ann") for _ in range(2)]
    key, other_key = [(await app.ask("POST", "/v1/keys", {"label": "spare"})).json() for _ in range(2)]
    await app.token("carol")
    job = (await app.ask("DELETE", "/v1/users/carol")).json()
    return {
        "room_id": "lobby",
        "user_id": "ann",
        "message_id": said["id"],
        "other_message_id": other["id"],
        "key_id": key["id"],
        "other_key_id": other_key["id"],
        "job_id": job["id"],
        "app_id": app.id,
    }


def walk(app: App, ids: dict[str, str], folder: Path, *, examples: int, seed: int) -> Walked:
    """Run schemathesis; `examples` is how many requests are made up for each operation."""
    notes = folder / "answered"
    notes.touch()
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.format(examples=examples, walks=WALKS * examples))
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(config),
            "run",
            str(DOCUMENT),
            "--url",
            app.service.url,
        ),
        *("--phases", "examples,coverage,fuzzing,stateful", "--checks", ",".join(CHECKS)),
        *("--seed", str(seed), "--continue-on-failure"),
        *("-H", f"Authorization: Bearer {app.key}", "-H", f"Roomlog-As: {ids['user_id']}", "--request-timeout", "20"),
        *(part for name in sorted(APART) for part in ("--exclude-operation-id", name)),
        *("--warnings", "off"),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.document.hooks",
        "ROOMLOG_THINGS": json.dumps(ids),
        "ROOMLOG_ANSWERED": str(notes),
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    walked = Walked(done.returncode, done.stdout + done.stderr)
    for line in notes.read_text().splitlines():
        operation, status = line.split()
        walked.answers[operation].add(int(status))
    return walked
