"""A key in the address of a feed or a calendar: their readers send no headers."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# As they are routed, with a slash at the end or without. No other route takes a key in its address.
FEED_PATHS = frozenset({"/changes.atom", "/changes.atom/", "/retirements.ics", "/retirements.ics/"})
# Its name as it stands, since deploy/nginx/http.conf knows it by that, too.
KEY_ARGUMENT = re.compile(r"(?:^|(?<=&))key=([^&]*)&?")
# Where servers leave the address as it was sent.
RAW_ADDRESSES = ("RAW_URI", "REQUEST_URI")


def pop_keys(environ: "WSGIEnvironment") -> Sequence[str]:
    """Take every `key=` out of a request's address, so that no cache, answer or log has it.

    Returns:
        What the last one may mean, as header values have it: a plus sign is itself or a space. Empty without one.
    """
    query = environ.get("QUERY_STRING", "")
    found = KEY_ARGUMENT.findall(query)
    if not found:
        return ()
    environ["QUERY_STRING"] = KEY_ARGUMENT.sub("", query).removesuffix("&")
    for name in RAW_ADDRESSES:
        if name in environ:
            environ[name] = environ[name].partition("?")[0]
    meanings = (decode(found[-1], encoding="latin-1") for decode in (unquote, unquote_plus))
    return tuple(dict.fromkeys(filter(None, meanings)))
