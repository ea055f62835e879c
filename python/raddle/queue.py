"""The names of `queue`. They are the standard library's own classes as yet, on whatever locks `threading` has."""

from queue import *
from queue import __all__  # noqa: F401
