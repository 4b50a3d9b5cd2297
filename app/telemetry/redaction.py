"""What may be logged of AWS's own texts: they name accounts, roles and users."""

import re

IDENTITIES = re.compile(r"arn:\S+|\d{12}|A[KS]IA\w+")
LENGTH_AT_MOST = 300


def redacted(message: str) -> str:
    """The text without ARNs, account ids and access keys, cut to 300 characters."""
    return IDENTITIES.sub("[redacted]", message)[:LENGTH_AT_MOST]
