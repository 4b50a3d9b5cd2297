"""From any name a client uses for a model to its entry."""

import re

from app.catalog.records import CatalogModel, CatalogSnapshot

# Partition, region (none in a global profile's targets) and account are checked for their form alone: an answer that
# depended on the account would tell which one this is.
ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:(?:\d{12})?:(?P<kind>foundation-model|inference-profile)/(?P<id>.+)"
)
# Claude Code appends it to ask for the long context window.
LONG_CONTEXT_SUFFIX = "[1m]"


def find_model(snapshot: CatalogSnapshot, name: str) -> CatalogModel | None:
    """The model of an id, an inference profile's id, an ARN of either, or one of these with the suffix `[1m]`."""
    found = _find(snapshot, name)
    if found is None and name.endswith(LONG_CONTEXT_SUFFIX):
        found = _find(snapshot, name.removesuffix(LONG_CONTEXT_SUFFIX))
    return found


def _find(snapshot: CatalogSnapshot, name: str) -> CatalogModel | None:
    found = snapshot.by_id.get(name) or snapshot.by_profile.get(name)
    if found is not None:
        return found
    arn = ARN.fullmatch(name)
    if arn is None:
        return None
    names = snapshot.by_id if arn["kind"] == "foundation-model" else snapshot.by_profile
    return names.get(arn["id"])
