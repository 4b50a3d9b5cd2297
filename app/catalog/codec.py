"""Records to JSON and back: the lines of the discovery child, and the stored catalog.

What is read is checked like any input. Rows that are equal become one object, in the stored form and in memory: most
models say the same in every region.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from app.catalog.reading import Reader, parsed
from app.catalog.records import (
    CatalogState,
    Departed,
    FoundationModel,
    InferenceProfile,
    RegionFailure,
    RegionListing,
)

Row = FoundationModel | InferenceProfile
RowT = TypeVar("RowT", FoundationModel, InferenceProfile)
# Rows already read, so that an equal one is not kept twice.
Known = dict[Row, Row]


def encode_visit(visit: RegionListing | RegionFailure) -> bytes:
    """One line, with its end: `{"listing": ...}` or `{"failure": ...}`."""
    if isinstance(visit, RegionFailure):
        return _line({"failure": _failure(visit)})
    return _line({"listing": _listing(visit, _model, _profile)})


def decode_visit(line: bytes, known: Known) -> RegionListing | RegionFailure:
    """
    Raises:
        Malformed: the line is none that `encode_visit` writes.
    """
    said = Reader(parsed(line))
    if said.get("failure").value is not None:
        return _read_failure(said.get("failure"))
    return _read_listing(
        said.get("listing"),
        lambda row: _shared(_read_model(row), known),
        lambda row: _shared(_read_profile(row), known),
    )


def encode_state(state: CatalogState) -> bytes:
    """The stored form; listings name their rows by place in two tables."""
    models: dict[FoundationModel, int] = {}
    profiles: dict[InferenceProfile, int] = {}
    listings = [
        _listing(
            listing,
            lambda row: models.setdefault(row, len(models)),
            lambda row: profiles.setdefault(row, len(profiles)),
        )
        for listing in state.listings
    ]
    return _line(
        {
            "source": state.source,
            "attempted_at": _instant(state.attempted_at),
            "asked_for": state.asked_for,
            "refreshed_at": _instant(state.refreshed_at),
            "changed_at": _instant(state.changed_at),
            "models": [_model(row) for row in models],
            "profiles": [_profile(row) for row in profiles],
            "listings": listings,
            "failures": [_failure(failure) for failure in state.failures],
            "departed": [
                {"id": gone.id, "created_at": _instant(gone.created_at), "left_at": _instant(gone.left_at)}
                for gone in state.departed
            ],
        }
    )


def decode_state(data: bytes) -> CatalogState:
    """
    Raises:
        Malformed: the bytes are none that `encode_state` writes.
    """
    said = Reader(parsed(data))
    _once(said.get("listings"), "region")
    _once(said.get("failures"), "region")
    models = [_read_model(row) for row in said.get("models").each()]
    profiles = [_read_profile(row) for row in said.get("profiles").each()]
    return CatalogState(
        source=said.get("source").string(),
        attempted_at=said.get("attempted_at").instant(),
        asked_for=said.get("asked_for").strings(),
        refreshed_at=said.get("refreshed_at").maybe(Reader.instant),
        changed_at=said.get("changed_at").maybe(Reader.instant),
        listings=tuple(
            _read_listing(item, lambda row: _at(models, row), lambda row: _at(profiles, row))
            for item in said.get("listings").each()
        ),
        failures=tuple(_read_failure(item) for item in said.get("failures").each()),
        departed=tuple(
            Departed(
                id=item.get("id").string(),
                created_at=item.get("created_at").instant(),
                left_at=item.get("left_at").instant(),
            )
            for item in said.get("departed").each()
        ),
    )


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _model(row: FoundationModel) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "provider": row.provider,
        "input_modalities": row.input_modalities,
        "output_modalities": row.output_modalities,
        "response_streaming": row.response_streaming,
        "inference_types": row.inference_types,
        "lifecycle_status": row.lifecycle_status,
        "start_of_life_at": _instant(row.start_of_life_at),
        "legacy_at": _instant(row.legacy_at),
        "extended_access_at": _instant(row.extended_access_at),
        "end_of_life_at": _instant(row.end_of_life_at),
    }


def _read_model(said: Reader) -> FoundationModel:
    return FoundationModel(
        id=said.get("id").string(),
        name=said.get("name").maybe(Reader.string),
        provider=said.get("provider").maybe(Reader.string),
        input_modalities=said.get("input_modalities").maybe(Reader.strings),
        output_modalities=said.get("output_modalities").maybe(Reader.strings),
        response_streaming=said.get("response_streaming").maybe(Reader.boolean),
        inference_types=said.get("inference_types").maybe(Reader.strings),
        lifecycle_status=said.get("lifecycle_status").maybe(Reader.string),
        start_of_life_at=said.get("start_of_life_at").maybe(Reader.instant),
        legacy_at=said.get("legacy_at").maybe(Reader.instant),
        extended_access_at=said.get("extended_access_at").maybe(Reader.instant),
        end_of_life_at=said.get("end_of_life_at").maybe(Reader.instant),
    )


def _profile(row: InferenceProfile) -> dict[str, Any]:
    return {"id": row.id, "status": row.status, "model_ids": row.model_ids}


def _read_profile(said: Reader) -> InferenceProfile:
    return InferenceProfile(
        id=said.get("id").string(),
        status=said.get("status").maybe(Reader.string),
        model_ids=said.get("model_ids").strings(),
    )


def _listing(
    listing: RegionListing,
    model: Callable[[FoundationModel], Any],
    profile: Callable[[InferenceProfile], Any],
) -> dict[str, Any]:
    return {
        "region": listing.region,
        "listed_at": _instant(listing.listed_at),
        "took_ms": listing.took_ms,
        "skipped_rows": listing.skipped_rows,
        "skipped_ids": listing.skipped_ids,
        "completed_rows": listing.completed_rows,
        "models": [model(row) for row in listing.models],
        "profiles": [profile(row) for row in listing.profiles],
    }


def _read_listing(
    said: Reader,
    model: Callable[[Reader], FoundationModel],
    profile: Callable[[Reader], InferenceProfile],
) -> RegionListing:
    return RegionListing(
        region=said.get("region").string(),
        listed_at=said.get("listed_at").instant(),
        took_ms=said.get("took_ms").count(),
        skipped_rows=said.get("skipped_rows").count(),
        skipped_ids=said.get("skipped_ids").strings(),
        completed_rows=said.get("completed_rows").maybe(Reader.count) or 0,
        models=tuple(model(row) for row in said.get("models").each()),
        profiles=tuple(profile(row) for row in said.get("profiles").each()),
    )


def _failure(failure: RegionFailure) -> dict[str, Any]:
    return {
        "region": failure.region,
        "failed_at": _instant(failure.failed_at),
        "code": failure.code,
        "detail": failure.detail or None,
        "took_ms": failure.took_ms,
    }


def _read_failure(said: Reader) -> RegionFailure:
    return RegionFailure(
        region=said.get("region").string(),
        failed_at=said.get("failed_at").instant(),
        code=said.get("code").string(),
        detail=said.get("detail").maybe(Reader.string) or "",
        took_ms=said.get("took_ms").count(),
    )


def _once(said: Reader, key: str) -> None:
    seen: set[str] = set()
    for item in said.each():
        value = item.get(key)
        if value.string() in seen:
            value.fail("a value that no other item has")
        seen.add(value.string())


def _shared(row: RowT, known: Known) -> RowT:
    return known.setdefault(row, row)  # type: ignore[return-value]


def _at(rows: list[RowT], said: Reader) -> RowT:
    place = said.count()
    if place >= len(rows):
        said.fail(f"a place in a table of {len(rows)}")
    return rows[place]
