"""The name under which processes with equal settings share a stored catalog and a lease."""

import hashlib
import json

from config import ALL_REGIONS, Settings

PARTS = ("models", "profiles")
PARTITION = "aws"
DIGITS = 12


def fingerprint(settings: Settings, *, partition: str = PARTITION) -> str:
    """Twelve digits of all settings that decide what a refresh stores.

    Args:
        partition: of AWS; it decides which regions `all` stands for.
    """
    decisive = {
        "source": settings.source,
        "regions": sorted(settings.regions),
        "partition": partition if settings.regions == (ALL_REGIONS,) else None,
        "parts": sorted(PARTS),
        "project": None,
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:DIGITS]
