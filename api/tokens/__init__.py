"""Tokens: a customer's server trades its API key for a user's token."""
