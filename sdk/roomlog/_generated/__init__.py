"""Written by `python -m sdk.generator` from the API's document, version 1. Not to be edited."""
