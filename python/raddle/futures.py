"""The names of `concurrent.futures`. They are the standard library's own as yet, on whatever `threading` has."""

from concurrent.futures import *
from concurrent.futures import __all__  # noqa: F401
