"""The HTTP application and what every request passes: access, middleware, errors on the wire."""
