"""Redaction of AWS's own texts for the log: they name accounts, roles and users, and may echo credentials."""

import re

SECRETS = re.compile(
    r"""
    arn:\S+
    | \d{12,} | (?<![\w-])\d{4}-\d{4}-\d{4}(?![\w-])  # account ids
    | A[A-Z]{2}A[A-Z0-9]{12,}  # access key ids, and the unique ids of users and roles
    | (?:ABSK|bedrock-api-key-|eyJ)[\w.+/=%-]+  # Bedrock's API keys, web identity tokens
    | [A-Za-z0-9+/=%]{40,}  # secret keys, session tokens, signatures: longer than any word
    """,
    re.VERBOSE,
)
MAX_CHARS = 300


def redacted(message: str) -> str:
    """The text without ARNs, account ids, access keys and tokens, cut to 300 characters."""
    return SECRETS.sub("[redacted]", message)[:MAX_CHARS]
