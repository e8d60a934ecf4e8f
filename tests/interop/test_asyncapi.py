"""The AsyncAPI document, as AsyncAPI's own schema reads it."""

import json
from pathlib import Path

from jsonschema_rs import validator_for

from tests.support.document import ROOT

SCHEMA = Path(__file__).parent / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"


def test_the_realtime_document_is_valid_asyncapi() -> None:
    """It is AsyncAPI 3.0, as those say who wrote that down."""
    validator_for(json.loads(SCHEMA.read_text())).validate(json.loads((ROOT / "openapi" / "asyncapi.json").read_text()))
