"""The document of the API: what clients may rely on, made from the routes and shapes that serve them."""
