"""Writes the generated half of the SDK from the API's document: read it, make a model of it, write the modules."""
