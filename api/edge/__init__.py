"""HTTP in, HTTP out: credentials, bodies, problems. No rule of chat."""
