"""From any name that a client uses for a model to its entry."""

import re

from app.catalog.records import CatalogModel, CatalogSnapshot
from app.catalog.view import CatalogView

# Partition, region (none in a global profile's targets) and account are checked for their form alone: an answer that
# depended on the account would give away which one this is.
ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:(?:\d{12})?:(?P<kind>foundation-model|inference-profile)/(?P<id>.+)", re.DOTALL
)
# Claude Code appends it to select the long context window.
LONG_CONTEXT_SUFFIX = "[1m]"


def find_model(view: CatalogView, name: str) -> CatalogModel | None:
    """The model of an id, an inference profile's id, an ARN of either, or one of these with the suffix `[1m]`."""
    found = _find(view.snapshot, name)
    if found is None and name.endswith(LONG_CONTEXT_SUFFIX):
        found = _find(view.snapshot, name.removesuffix(LONG_CONTEXT_SUFFIX))
    return found if found is not None and view.scope.sees(found) else None


def _find(snapshot: CatalogSnapshot, name: str) -> CatalogModel | None:
    found = snapshot.by_id.get(name) or snapshot.by_profile.get(name)
    if found is not None:
        return found
    arn = ARN.fullmatch(name)
    if arn is None:
        return None
    names = snapshot.by_id if arn["kind"] == "foundation-model" else snapshot.by_profile
    return names.get(arn["id"])
