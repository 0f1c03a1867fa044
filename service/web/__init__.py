"""The HTTP application and what every request passes through: access, middleware, error formats."""
