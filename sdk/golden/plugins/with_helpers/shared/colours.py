from ..helper import DEFAULT
from . import NAME

KNOWN = (DEFAULT, "blue")


def mix(first, second):
    return f"{first}+{second} ({NAME})"
