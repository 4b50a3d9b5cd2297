"""The name under which processes with equal settings share a stored catalog and a lease."""

import hashlib
import json

from app.catalog.records import MANTLE
from config import ALL_REGIONS, Settings, partition_of

DIGITS = 12


def fingerprint(settings: Settings) -> str:
    """Twelve digits of all settings that decide what a refresh stores."""
    # The partition decides which regions `all` stands for.
    partition = partition_of(settings.aws_region) if settings.regions == (ALL_REGIONS,) else None
    decisive = {
        "source": settings.source,
        "regions": sorted(settings.regions),
        "partition": partition,
        "parts": sorted(settings.parts),
        "project": sorted(settings.projects) or None,
    }
    if MANTLE in settings.parts and settings.mantle_regions:
        decisive["mantle_regions"] = sorted(settings.mantle_regions)
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:DIGITS]
