"""The version of the package: the one place where it stands. pyproject.toml reads it, too."""

__all__ = ["__version__"]

__version__ = "0.1.0"
