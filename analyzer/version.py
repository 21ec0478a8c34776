"""Which version this is; what pyproject.toml says as well."""

__version__ = "0.1.0"
