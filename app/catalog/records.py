"""What a region said, and what the catalog makes of it. AWS's open words stay strings."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TEXT = "TEXT"
ON_DEMAND = "ON_DEMAND"
INFERENCE_PROFILE = "INFERENCE_PROFILE"

ACTIVE = "active"
DEPRECATED = "deprecated"
RETIRED = "retired"
LIFECYCLES = (ACTIVE, DEPRECATED, RETIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationModel:
    """One row of a region's ListFoundationModels; only the id is certain to be there.

    Source: Bedrock FoundationModelSummary and FoundationModelLifecycle. None is where AWS says nothing, which is not
    the same as an empty list; the four dates are startOfLifeTime, legacyTime, publicExtendedAccessTime and
    endOfLifeTime.
    """

    id: str
    name: str | None = None
    provider: str | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    response_streaming: bool | None = None
    inference_types: tuple[str, ...] | None = None
    lifecycle_status: str | None = None
    start_of_life_at: datetime | None = None
    legacy_at: datetime | None = None
    extended_access_at: datetime | None = None
    end_of_life_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceProfile:
    """One row of a region's ListInferenceProfiles, without its ARN: that holds an account id.

    Source: Bedrock InferenceProfileSummary. `model_ids` are the models that the profile routes to, once each.
    """

    id: str
    status: str | None = None
    model_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionListing:
    """All that one visit to a region brought.

    `skipped_rows` counts the rows that were malformed and left out, `skipped_ids` are the ids of those that had a
    readable one, `completed_rows` counts those that left out what they had said before, which then stands; `took_ms`
    is the visit's duration.
    """

    region: str
    listed_at: datetime
    models: tuple[FoundationModel, ...]
    profiles: tuple[InferenceProfile, ...] = ()
    skipped_rows: int = 0
    skipped_ids: tuple[str, ...] = ()
    completed_rows: int = 0
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFailure:
    """A region that could not be listed; its last good listing stays.

    `code` is AWS's error code, botocore's exception name, or one of ours (`Timeout`, `EmptyListing`,
    `DiscoveryFailed`, `UnknownRegion` in the demo); `detail` is for the operator alone and holds no account id.
    """

    region: str
    failed_at: datetime
    code: str
    detail: str = ""
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """One merged entry: a model id and all that the regions said about it.

    `regions` are those where it is callable, on demand or through a profile, sorted; `inference_profiles` maps each
    profile id to the regions it can be called from, both sorted.
    """

    id: str
    name: str
    provider: str | None
    created_at: datetime
    lifecycle: str
    deprecated_at: datetime | None
    retires_at: datetime | None
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    response_streaming: bool
    regions: tuple[str, ...]
    inference_profiles: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def is_text(self) -> bool:
        return TEXT in self.input_modalities and TEXT in self.output_modalities

    @property
    def is_callable(self) -> bool:
        return bool(self.regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A model that left the catalog: enough to keep a client's cursor working."""

    id: str
    created_at: datetime
    left_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """What is kept between refreshes, and all that is stored; a snapshot is derived from it.

    `asked_for` is the setting of the last refresh: regions, or `all`. `listings` are each region's last good one, in
    order of preference; `failures` the regions whose last visit failed. `attempted_at` is the last refresh,
    `refreshed_at` the last one that any region answered, `changed_at` the last one that changed a model.
    """

    source: str
    attempted_at: datetime
    asked_for: tuple[str, ...] = ()
    refreshed_at: datetime | None = None
    changed_at: datetime | None = None
    listings: tuple[RegionListing, ...] = ()
    failures: tuple[RegionFailure, ...] = ()
    departed: tuple[Departed, ...] = ()

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region of the last refresh, whether it answered or not."""
        listed = [listing.region for listing in self.listings]
        return tuple(dict.fromkeys(listed + [failure.region for failure in self.failures]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CatalogSnapshot:
    """The whole catalog at one moment; immutable, shared by all readers.

    `models` are newest first, then by id. `changed_at` is when a client could last have seen them change. At
    `rederive_at` the same state gives another answer (a model reaches its end of life), so it is derived anew.
    """

    state: CatalogState
    models: tuple[CatalogModel, ...]
    changed_at: datetime
    rederive_at: datetime | None = None
    by_id: dict[str, CatalogModel] = field(repr=False, default_factory=dict)
    by_profile: dict[str, CatalogModel] = field(repr=False, default_factory=dict)
    departed_at: dict[str, datetime] = field(repr=False, default_factory=dict)
