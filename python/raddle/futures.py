"""The names of `concurrent.futures`. They are the standard library's own as yet, on whatever `threading` has."""

from concurrent.futures import *  # noqa: F403
from concurrent.futures import __all__ as __all__
