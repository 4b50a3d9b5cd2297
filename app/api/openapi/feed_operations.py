"""What the queries of feeds do not say of themselves."""

from app.api.openapi.operations import CONDITION_HEADERS, EVERYWHERE, INVALID_REGION, NO_CATALOG, Operation
from app.catalog.visible_events import InvalidEventId
from app.web.error_handler import as_api_error

INVALID_AFTER = as_api_error(InvalidEventId("latest"))

# By endpoint.
FEED_OPERATIONS = {
    "feeds.list_changes": Operation(
        tag="Changes",
        summary="List what AWS changed, the newest last",
        parameters=CONDITION_HEADERS,
        example_arguments={},
        errors=(INVALID_AFTER, INVALID_REGION, *EVERYWHERE, NO_CATALOG),
    ),
    "feeds.changes_feed": Operation(
        tag="Changes",
        summary="The newest changes as an Atom feed (RFC 4287)",
        parameters=CONDITION_HEADERS,
        example_arguments={},
        errors=(INVALID_REGION, *EVERYWHERE, NO_CATALOG),
        takes_key_in_query=True,
    ),
    "feeds.list_retirements": Operation(
        tag="Changes",
        summary="List the models that will end, the next one first",
        parameters=CONDITION_HEADERS,
        example_arguments={},
        errors=(*EVERYWHERE, NO_CATALOG),
    ),
    "feeds.retirements_calendar": Operation(
        tag="Changes",
        summary="The ends of models as a calendar (RFC 5545)",
        parameters=CONDITION_HEADERS,
        example_arguments={},
        errors=(*EVERYWHERE, NO_CATALOG),
        takes_key_in_query=True,
    ),
}
