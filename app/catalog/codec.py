"""Records to JSON and back: the lines of the discovery child, and the stored catalog.

What is read is checked like any input. Rows that are equal become one object, in the stored form and in memory: most
models are the same in every region.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from app.catalog.access_codec import plain_access, read_access
from app.catalog.event_codec import plain_events, read_events
from app.catalog.parts import ALWAYS_STORED, STORED_TABLES, row_class_of
from app.catalog.reading import Reader, parsed, plain_instant
from app.catalog.records import (
    BASE_PARTS,
    MODELS,
    PROFILES,
    CatalogState,
    FoundationModel,
    InferenceProfile,
    Invocation,
    PartFailure,
    PartListing,
    PartResult,
    RemovedModel,
    Row,
)

# The form that `encode_state` writes. A new one is needed only where an older reader would read something wrong:
# optional keys are none.
FORMAT = 2

RowT = TypeVar("RowT", bound=Row)
# Rows already read, so that an equal one is not kept twice.
KnownRows = dict[Row, Row]

READERS: Mapping[type[Any], tuple[tuple[str, Callable[[Reader], Any]], ...]] = {
    row_class: tuple((it.name, it.metadata["read"]) for it in fields(row_class)) for row_class in STORED_TABLES
}


def encode_result(result: PartResult) -> bytes:
    """One line, with its end: `{"listing": ...}` or `{"failure": ...}`."""
    if isinstance(result, PartFailure):
        return _line({"failure": _plain_failure(result)})
    return _line({"listing": _plain_listing(result, _plain_row)})


def decode_result(line: bytes, known: KnownRows) -> PartResult:
    """
    Raises:
        Malformed: the line is none that `encode_result` writes.
    """
    value = Reader(parsed(line))
    if value.get("failure").value is not None:
        return _read_failure(value.get("failure"))
    listing = value.get("listing")
    row_class = row_class_of(listing.get("part").string())

    def shared(row: Reader) -> Row:
        new = _read_row(row_class, row)
        return known.setdefault(new, new)

    return _read_listing(listing, shared)


def encode_state(state: CatalogState) -> bytes:
    """The stored form; listings name their rows by place in a table of each record class."""
    tables: dict[str, dict[Row, int]] = {name: {} for name in STORED_TABLES.values()}

    def place_in(listing: PartListing) -> Callable[[Row], int]:
        table = tables[STORED_TABLES[row_class_of(listing.part)]]
        return lambda row: table.setdefault(row, len(table))

    listings = [_plain_listing(listing, place_in(listing)) for listing in state.listings]
    return _line(
        {
            "source": state.source,
            "attempted_at": plain_instant(state.attempted_at),
            "configured_regions": state.configured_regions,
            "regions": state.regions,
            "parts": state.parts,
            "refreshed_at": plain_instant(state.refreshed_at),
            "changed_at": plain_instant(state.changed_at),
            "retries": state.retries,
            "retried_at": plain_instant(state.retried_at),
            **{
                name: [_plain_row(row) for row in table]
                for name, table in tables.items()
                if table or name in ALWAYS_STORED
            },
            **({"projects": state.projects} if state.projects else {}),
            "listings": listings,
            "failures": [_plain_failure(failure) for failure in state.failures],
            "removed": [_plain_removed(gone) for gone in state.removed],
            **({} if state.access is None else {"access": plain_access(state.access)}),
            **_plain_history(state),
        }
    )


def decode_state(data: bytes) -> CatalogState:
    """
    Raises:
        Malformed: the bytes are none that `encode_state` writes.
    """
    value = Reader(parsed(data))
    _check_distinct(value.get("listings"), "region", "part")
    _check_distinct(value.get("failures"), "region", "part")
    tables: dict[type[Row], list[Row]] = {
        row_class: [_read_row(row_class, row) for row in value.get(name).each()]
        for row_class, name in STORED_TABLES.items()
    }

    def row_at(listing: Reader) -> Callable[[Reader], Row]:
        table = tables[row_class_of(listing.get("part").string())]
        return lambda place: place.item_of(table)

    return CatalogState(
        source=value.get("source").string(),
        attempted_at=value.get("attempted_at").instant(),
        configured_regions=value.get("configured_regions").strings(),
        regions=value.get("regions").strings(),
        parts=value.get("parts").strings() or BASE_PARTS,
        refreshed_at=value.get("refreshed_at").maybe(Reader.instant),
        changed_at=value.get("changed_at").maybe(Reader.instant),
        retries=value.get("retries").maybe(Reader.count) or 0,
        retried_at=value.get("retried_at").maybe(Reader.instant),
        listings=tuple(_read_listing(item, row_at(item)) for item in value.get("listings").each()),
        failures=tuple(_read_failure(item) for item in value.get("failures").each()),
        removed=tuple(_read_removed(item) for item in value.get("removed").each()),
        access=value.get("access").maybe(read_access),
        events=read_events(value.get("events")),
        forgotten_event_id=value.get("forgotten_event_id").maybe(Reader.string) or "",
        projects=value.get("projects").strings(),
    )


def decode_format_1(data: bytes) -> CatalogState:
    """What version 0.1 stored: one listing a region, whose profiles name models without destinations.

    Raises:
        Malformed: the bytes are none of that format.
    """
    value = Reader(parsed(data))
    _check_distinct(value.get("listings"), "region")
    models = [_read_row(FoundationModel, row) for row in value.get("models").each()]
    profiles = [
        InferenceProfile(
            id=row.get("id").string(),
            status=row.get("status").maybe(Reader.string),
            models=tuple((model_id, ()) for model_id in row.get("model_ids").strings()),
        )
        for row in value.get("profiles").each()
    ]
    listings: list[PartListing] = []
    for item in value.get("listings").each():
        region, listed_at = item.get("region").string(), item.get("listed_at").instant()
        duration_ms = item.get("took_ms").count()
        tables: tuple[tuple[str, list[Any]], ...] = ((MODELS, models), (PROFILES, profiles))
        for part, table in tables:
            rows = tuple(place.item_of(table) for place in item.get(part).each())
            listings.append(
                PartListing(region=region, part=part, listed_at=listed_at, rows=rows, duration_ms=duration_ms)
            )
    failures = [
        PartFailure(
            region=item.get("region").string(),
            part=part,
            failed_at=item.get("failed_at").instant(),
            code=item.get("code").string(),
            detail=item.get("detail").maybe(Reader.string) or "",
            duration_ms=item.get("took_ms").count(),
        )
        for item in value.get("failures").each()
        for part in BASE_PARTS
    ]
    return CatalogState(
        source=value.get("source").string(),
        attempted_at=value.get("attempted_at").instant(),
        configured_regions=value.get("asked_for").strings(),
        regions=tuple(dict.fromkeys([it.region for it in listings] + [it.region for it in failures])),
        refreshed_at=value.get("refreshed_at").maybe(Reader.instant),
        changed_at=value.get("changed_at").maybe(Reader.instant),
        listings=tuple(listings),
        failures=tuple(failures),
        removed=tuple(
            RemovedModel(
                id=item.get("id").string(),
                created_at=item.get("created_at").instant(),
                removed_at=item.get("left_at").instant(),
            )
            for item in value.get("departed").each()
        ),
    )


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=plain_instant).encode("ascii") + b"\n"


def _plain_row(row: Row) -> dict[str, Any]:
    """The fields that are there, by name; `_line` writes the dates."""
    return {name: value for name, _ in READERS[type(row)] if (value := getattr(row, name)) is not None}


def _read_row(row_class: type[RowT], row: Reader) -> RowT:
    row.get("id").string()
    return row_class(
        **{name: read(row.get(name)) for name, read in READERS[row_class] if row.value.get(name) is not None}
    )


def _plain_listing(listing: PartListing, row: Callable[[Row], Any]) -> dict[str, Any]:
    return {
        "region": listing.region,
        "part": listing.part,
        "listed_at": plain_instant(listing.listed_at),
        "duration_ms": listing.duration_ms,
        "skipped_rows": listing.skipped_rows,
        "unread_fields": listing.unread_fields,
        "backfilled_rows": listing.backfilled_rows,
        "rows": [row(it) for it in listing.rows],
        **({} if listing.is_offered else {"is_offered": False}),
    }


def _read_listing(value: Reader, row: Callable[[Reader], Row]) -> PartListing:
    return PartListing(
        region=value.get("region").string(),
        part=value.get("part").string(),
        listed_at=value.get("listed_at").instant(),
        duration_ms=value.get("duration_ms").count(),
        skipped_rows=value.get("skipped_rows").count(),
        unread_fields=value.get("unread_fields").count(),
        backfilled_rows=value.get("backfilled_rows").count(),
        rows=tuple(row(it) for it in value.get("rows").each()),
        is_offered=value.get("is_offered").maybe(Reader.boolean) is not False,
    )


def _plain_failure(failure: PartFailure) -> dict[str, Any]:
    return {
        "region": failure.region,
        "part": failure.part,
        "failed_at": plain_instant(failure.failed_at),
        "code": failure.code,
        "action": failure.action or None,
        "detail": failure.detail or None,
        "duration_ms": failure.duration_ms,
    }


def _read_failure(value: Reader) -> PartFailure:
    return PartFailure(
        region=value.get("region").string(),
        part=value.get("part").string(),
        failed_at=value.get("failed_at").instant(),
        code=value.get("code").string(),
        action=value.get("action").maybe(Reader.string) or "",
        detail=value.get("detail").maybe(Reader.string) or "",
        duration_ms=value.get("duration_ms").count(),
    )


def _plain_history(state: CatalogState) -> dict[str, Any]:
    history: dict[str, Any] = {}
    if state.events:
        history["events"] = plain_events(state.events)
    if state.forgotten_event_id:
        history["forgotten_event_id"] = state.forgotten_event_id
    return history


def _plain_removed(gone: RemovedModel) -> dict[str, Any]:
    """Without what is empty: an older version reads it without all but the first three."""
    optional = {
        "model_id": gone.model_id,
        "provider": gone.provider,
        "invocations": [[it.kind, it.regions, it.profile_id, it.destinations] for it in gone.invocations],
        "was_eligible": gone.was_eligible,
    }
    return {
        "id": gone.id,
        "created_at": plain_instant(gone.created_at),
        "removed_at": plain_instant(gone.removed_at),
        **{name: value for name, value in optional.items() if value},
    }


def _read_removed(value: Reader) -> RemovedModel:
    return RemovedModel(
        id=value.get("id").string(),
        created_at=value.get("created_at").instant(),
        removed_at=value.get("removed_at").instant(),
        model_id=value.get("model_id").maybe(Reader.string) or "",
        provider=value.get("provider").maybe(Reader.string),
        invocations=tuple(_read_invocation(it) for it in value.get("invocations").each()),
        was_eligible=value.get("was_eligible").maybe(Reader.boolean) or False,
    )


def _read_invocation(value: Reader) -> Invocation:
    kind, regions, profile_id, destinations = value.items(4)
    return Invocation(
        kind=kind.string(),
        regions=regions.strings(),
        profile_id=profile_id.maybe(Reader.string),
        destinations=destinations.strings(),
    )


def _check_distinct(items: Reader, *keys: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for item in items.each():
        values = tuple(item.get(key).string() for key in keys)
        if values in seen:
            item.get(keys[-1]).fail("a value that no other item has")
        seen.add(values)
