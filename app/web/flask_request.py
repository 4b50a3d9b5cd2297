"""Flask's request, made to read a query of any bytes."""

import string
from typing import Any
from urllib.parse import quote_from_bytes

import flask


class Request(flask.Request):
    """A query of any bytes: one that stands for itself reads like its escape, where Flask would fail on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.query_string.isascii():
            self.query_string = quote_from_bytes(self.query_string, safe=string.printable).encode("ascii")
