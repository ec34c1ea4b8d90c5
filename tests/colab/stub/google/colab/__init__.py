"""A stand-in for what the notebooks use of Colab. No google/__init__.py: protobuf shares the namespace."""

from . import drive, files, output  # noqa: F401
