"""Colab's kernel has imported google.colab before the first cell runs; by that it is known."""

import google.colab  # noqa: F401
