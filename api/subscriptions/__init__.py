"""Open a room and miss nothing: subscriptions, and the connections that carry them."""
