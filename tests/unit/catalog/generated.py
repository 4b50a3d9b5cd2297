"""Generated worlds of a few regions, models and profiles, and what a client may send there, computed naively."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

from app.catalog.records import (
    APPLICATION_PROFILES,
    BASE_PARTS,
    MODELS,
    PROFILES,
    FoundationModel,
    InferenceProfile,
    PartListing,
    Row,
)
from app.catalog.snapshot import CatalogSnapshot
from tests.support.builders import NOW, day, profile, snapshot

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")
MODEL_IDS = ("a", "b", "c")
# What each profile routes to, as at AWS: the same everywhere, but to other destinations.
ROUTES = {"us.a": "a", "eu.a": "a", "global.a": "a", "eu.b": "b", "odd": "c", "eu.ghost": "ghost"}
DESTINATIONS = (*REGIONS, "eu-south-2", "global")
ENDS = (None, NOW - timedelta(days=1), NOW, NOW + timedelta(days=1))

DATES: st.SearchStrategy[datetime | None] = st.sampled_from([None, day(1), day(2)])


def rows_of(model_id: str) -> st.SearchStrategy[FoundationModel]:
    return st.builds(
        FoundationModel,
        id=st.just(model_id),
        name=st.sampled_from([None, "A", "B"]),
        provider=st.sampled_from([None, "P", "Q"]),
        input_modalities=st.sampled_from([("TEXT",), ("IMAGE", "TEXT")]),
        output_modalities=st.just(("TEXT",)),
        inference_types=st.sampled_from(
            [
                ("ON_DEMAND",),
                ("INFERENCE_PROFILE",),
                ("INFERENCE_PROFILE", "ON_DEMAND"),
                ("PROVISIONED",),
                (),
                None,
            ]
        ),
        lifecycle_status=st.sampled_from([None, "ACTIVE", "LEGACY"]),
        start_of_life_at=DATES,
        legacy_at=st.sampled_from(ENDS),
        end_of_life_at=st.sampled_from(ENDS),
    )


def profiles_of(profile_id: str, model_id: str) -> st.SearchStrategy[InferenceProfile]:
    return st.builds(
        lambda places, status, name: profile(profile_id, {model_id: places}, status=status, name=name),
        st.sets(st.sampled_from(DESTINATIONS), max_size=3),
        st.sampled_from(["ACTIVE", "ACTIVE", None, "DELETING"]),
        st.sampled_from([None, "A", "EU A"]),
    )


@st.composite
def listings(draw: st.DrawFn, region: str) -> tuple[PartListing, ...]:
    """What one region lists; each part may never have been listed."""
    models = [draw(rows_of(it)) for it in MODEL_IDS if draw(st.booleans())]
    profiles = [draw(profiles_of(it, model_id)) for it, model_id in ROUTES.items() if draw(st.booleans())]
    own = [draw(profiles_of(f"arn:{region}:{it}", it)) for it in MODEL_IDS if draw(st.booleans())]
    rows: dict[str, Sequence[Row]] = {MODELS: models, PROFILES: profiles, APPLICATION_PROFILES: own}
    return tuple(
        PartListing(region=region, part=part, listed_at=NOW, rows=tuple(found))
        for part, found in rows.items()
        if draw(st.integers(0, 4))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What all regions list."""

    regions: tuple[tuple[PartListing, ...], ...]

    def __iter__(self) -> Iterator[PartListing]:
        for region in self.regions:
            yield from region

    def snapshot(self) -> CatalogSnapshot:
        return snapshot(*self.regions, regions=REGIONS, parts=(*BASE_PARTS, APPLICATION_PROFILES))

    def rows(self, region: str, part: str) -> list[Row]:
        return [row for it in self if (it.region, it.part) == (region, part) for row in it.rows]

    def ids(self, region: str, within: frozenset[str] | None = None) -> set[str]:
        """The ids that can be sent to a region, processed within the destinations alone."""
        alive: set[str] = set()
        found: set[str] = set()
        for row in self.rows(region, MODELS):
            assert isinstance(row, FoundationModel)
            if row.end_of_life_at is not None and row.end_of_life_at <= NOW:
                continue
            alive.add(row.id)
            if "ON_DEMAND" in (row.inference_types or ()) and (within is None or region in within):
                found.add(row.id)
        for way in self.rows(region, PROFILES) + self.rows(region, APPLICATION_PROFILES):
            assert isinstance(way, InferenceProfile)
            for model_id, places in way.models:
                all_places = ("global",) if "global" in places else places
                is_within = within is None or (places != () and within.issuperset(all_places))
                if way.status in (None, "ACTIVE") and model_id in alive and is_within:
                    found.add(way.id)
        return found


WORLDS = st.tuples(*map(listings, REGIONS)).map(lambda regions: World(regions=regions))
PLACES = st.frozensets(st.sampled_from(DESTINATIONS), min_size=1)
SOURCES = st.frozensets(st.sampled_from(REGIONS), min_size=1)
