"""What each part of a region listed, and what is kept of it between refreshes. AWS's open words stay strings."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from app.catalog.access import AccessState
from app.catalog.reading import Reader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TEXT = "TEXT"
ON_DEMAND = "ON_DEMAND"
INFERENCE_PROFILE = "INFERENCE_PROFILE"
# The source of a catalog that no account listed (app/discovery/demo.py).
DEMO = "demo"
# The destination of a model ARN without a region.
GLOBAL = "global"

# Parts: the kinds of listing that a region is asked for.
MODELS = "models"
PROFILES = "profiles"
APPLICATION_PROFILES = "application_profiles"
PROVISIONED = "provisioned"
DEPLOYMENTS = "deployments"
IMPORTED = "imported"
MARKETPLACE = "marketplace"
ROUTERS = "routers"
MANTLE = "mantle"
# No listing of a region: a report a model (app/catalog/access.py).
ACCESS = "access"
# Those that a catalog is complete with; of all others nothing is expected (parts.py has them all).
BASE_PARTS = (MODELS, PROFILES)
# What a region answers for a project, and what it keeps for the account or the project.
PROJECT_MODELS = "project_models"
PROJECT_PROFILES = "project_profiles"
DATA_RETENTION = "data_retention"
PROGRAMS = "trusted_access_programs"
# What stands in the status alone.
ACCOUNT_PARTS = (DATA_RETENTION, PROGRAMS)
PROJECT_PARTS = (PROJECT_MODELS, PROJECT_PROFILES, DATA_RETENTION, PROGRAMS)


def _optional(aws: str, read: Callable[[Reader], Any]) -> Any:
    """A field that AWS may leave out: its path in AWS's row, and how its value is read."""
    return field(default=None, metadata={"aws": aws, "read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundationModel:
    """One row of a region's ListFoundationModels; only the id is certain to be there.

    The one table of a row's fields: rows are read from AWS, stored, read back and filled in by it. None is where AWS
    leaves a field out, which is not the same as an empty list.

    Source: Bedrock FoundationModelSummary and FoundationModelLifecycle.
    """

    id: str = field(metadata={"aws": "modelId", "read": Reader.string})
    name: str | None = _optional("modelName", Reader.string)
    provider: str | None = _optional("providerName", Reader.string)
    input_modalities: tuple[str, ...] | None = _optional("inputModalities", Reader.strings)
    output_modalities: tuple[str, ...] | None = _optional("outputModalities", Reader.strings)
    response_streaming: bool | None = _optional("responseStreamingSupported", Reader.boolean)
    inference_types: tuple[str, ...] | None = _optional("inferenceTypesSupported", Reader.strings)
    lifecycle_status: str | None = _optional("modelLifecycle.status", Reader.string)
    start_of_life_at: datetime | None = _optional("modelLifecycle.startOfLifeTime", Reader.instant)
    legacy_at: datetime | None = _optional("modelLifecycle.legacyTime", Reader.instant)
    extended_access_at: datetime | None = _optional("modelLifecycle.publicExtendedAccessTime", Reader.instant)
    end_of_life_at: datetime | None = _optional("modelLifecycle.endOfLifeTime", Reader.instant)


# A model that a profile routes to, and the regions where it is processed, sorted; GLOBAL for an ARN without a region.
ProfileModel = tuple[str, tuple[str, ...]]


def read_profile_models(value: Reader) -> tuple[ProfileModel, ...]:
    """The stored form of `InferenceProfile.models`: `[[model id, [destination, ...]], ...]`."""
    pairs = []
    for pair in value.each():
        model_id, destinations = pair.pair()
        pairs.append((model_id.string(), destinations.strings()))
    return tuple(pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceProfile:
    """One row of a region's ListInferenceProfiles, without account ids: a system-defined profile has no ARN here.

    `id` is what a client sends: the profile's id, or an application profile's ARN. `models` are the models that it
    routes to, once each, with their destinations as this source region names them.

    Source: Bedrock InferenceProfileSummary.
    """

    id: str = field(metadata={"aws": "inferenceProfileId", "read": Reader.string})
    name: str | None = _optional("inferenceProfileName", Reader.string)
    type: str | None = _optional("type", Reader.string)
    status: str | None = _optional("status", Reader.string)
    models: tuple[ProfileModel, ...] = field(default=(), metadata={"read": read_profile_models})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountModel:
    """Something callable that the account made: one row of a list of its provisioned models, deployments or the like.

    `id` is its ARN. `base_id` is what its foundation model's ARN names, or an inference profile's where a prompt router
    falls back to one; `profile_ids` are the inference profiles among those that a prompt router chooses from or
    falls back to: a system's by id, others by ARN.

    Source: Bedrock ProvisionedModelSummary, CustomModelDeploymentSummary, ImportedModelSummary,
    MarketplaceModelEndpointSummary and PromptRouterSummary; discovery/rows.py has the keys of each.
    """

    id: str = field(metadata={"read": Reader.string})
    name: str | None = field(default=None, metadata={"read": Reader.string})
    base_id: str | None = field(default=None, metadata={"read": Reader.string})
    status: str | None = field(default=None, metadata={"read": Reader.string})
    created_at: datetime | None = field(default=None, metadata={"read": Reader.instant})
    updated_at: datetime | None = field(default=None, metadata={"read": Reader.instant})
    commitment_ends_at: datetime | None = field(default=None, metadata={"read": Reader.instant})
    is_chat: bool | None = field(default=None, metadata={"read": Reader.boolean})
    profile_ids: tuple[str, ...] | None = field(default=None, metadata={"read": Reader.strings})


@dataclass(frozen=True, slots=True, kw_only=True)
class MantleModel:
    """One row of a region's list of models on Mantle; only the id is certain to be there.

    Source: OpenAI's Model, and what AWS adds to it.
    """

    id: str = field(metadata={"aws": "id", "read": Reader.string})
    created_at: datetime | None = _optional("created", Reader.instant)
    status: str | None = _optional("status", Reader.string)
    data_retention_modes: tuple[str, ...] | None = _optional("data_retention.allowed_modes", Reader.strings)

    @property
    def is_available(self) -> bool:
        return self.status in (None, "available")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSetting:
    """One word that a region keeps for the account or its project: the status of the program `id`, or a mode.

    Source: Bedrock GetAccountDataRetention and ListTrustedAccessPrograms (TrustedAccessProgramSummary).
    """

    id: str = field(metadata={"aws": "id", "read": Reader.string})
    value: str | None = _optional("value", Reader.string)


Row = FoundationModel | InferenceProfile | AccountModel | MantleModel | AccountSetting

# The fields of a row that one statement of AWS's makes: a date may really be taken back (a retirement put off).
LIFECYCLE_FIELDS = tuple(it.name for it in fields(FoundationModel) if it.metadata["aws"].startswith("modelLifecycle."))
OPTIONAL_FIELDS = tuple(
    it.name for it in fields(FoundationModel) if it.name != "id" and it.name not in LIFECYCLE_FIELDS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartListing:
    """The rows of one part of one region, of the part's record class (parts.py).

    `skipped_rows` counts the rows without a readable id, which are left out; `unread_fields` the optional values that
    could not be read and count as left out; `backfilled_rows` the rows that left out what they had before, which then
    stands; `duration_ms` is the length of the visit; `is_offered` is False where the region has no such part.
    """

    region: str
    part: str
    listed_at: datetime
    rows: tuple[Row, ...]
    skipped_rows: int = 0
    unread_fields: int = 0
    backfilled_rows: int = 0
    duration_ms: int = 0
    is_offered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFailure:
    """A part that could not be listed; its last good listing stays.

    `code` is AWS's error code, botocore's exception name, or one of ours (`Timeout`, `EmptyListing`, `Malformed`,
    `DiscoveryFailed`, `UnknownRegion` in the demo); `action` the IAM action that is missing, "" where permission is
    not the reason; `detail` is for the operator alone and holds no account id.
    """

    region: str
    part: str
    failed_at: datetime
    code: str
    action: str = ""
    detail: str = ""
    duration_ms: int = 0


PartResult = PartListing | PartFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One way to call a model: by which id, from which source regions, processed where.

    `regions` are those where all else is the same, sorted. `profile_id` is None where the model's own id is sent, or
    (UNKNOWN_PROFILE) where no id is known. `destinations` are a profile's, sorted; GLOBAL stands for every region;
    empty where AWS does not state them. On demand, a call is processed where it is sent.
    """

    kind: str
    regions: tuple[str, ...]
    profile_id: str | None = None
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedModel:
    """An entry that left the catalog: enough to keep a client's cursor working, in each scope that saw it.

    `model_id` is its model's, `invocations` the last ones that it was listed for; of an entry that an older version
    stored neither is known. `was_eligible`: it was an active, callable chat model, which the pattern of an alias can
    stand for.
    """

    id: str
    created_at: datetime
    removed_at: datetime
    model_id: str = ""
    provider: str | None = None
    invocations: tuple[Invocation, ...] = ()
    was_eligible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStage:
    """A model's lifecycle and dates, in the regions where these are the same."""

    regions: tuple[str, ...]
    lifecycle: str
    legacy_at: datetime | None = None
    extended_access_at: datetime | None = None
    end_of_life_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """How a model can be called at one moment, and its life; `former_invocations` are where it has ended.

    `access` is what AWS reports of it, in the facts of a change of that alone.
    """

    invocations: tuple[Invocation, ...] = ()
    former_invocations: tuple[Invocation, ...] = ()
    stages: tuple[LifeStage, ...] = ()
    access: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEvent:
    """A change that AWS made to a model.

    `id` sorts as it grows: `<version in ms>-<five digits>`. `before` and `after` are whole, so that each caller can be
    shown what its scope sees of the difference; `before` is None of a new model, `after` of a removed one.
    `within_days` is the threshold of a retirement that is near.
    """

    id: str
    at: datetime
    type: str
    model_id: str
    name: str
    provider: str | None = None
    before: ModelFacts | None = None
    after: ModelFacts | None = None
    within_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """What is kept between refreshes, and all that is stored; a snapshot is derived from it.

    `configured_regions` is the setting of the last refresh (regions, or `all`), `regions` what it came to, in order of
    preference, and `parts` what each of them was asked for. `listings` are each part's last good one, `failures` the
    parts whose last visit failed. `attempted_at` is the last refresh of all regions, `refreshed_at` the last one that
    any region answered, `changed_at` the last one that changed a model. Parts that were never listed are tried again
    between two refreshes, the last time at `retried_at`; `retries` counts the attempts in a row that left one unlisted.
    `access` is what is known of access to models, None while that part is off.
    `events` are what AWS changed lately, the newest last; `forgotten_event_id` is the newest that is no longer kept.
    `projects` is the setting AWS_BEDROCK_PROJECT of the last refresh.
    """

    source: str
    attempted_at: datetime
    configured_regions: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    parts: tuple[str, ...] = BASE_PARTS
    refreshed_at: datetime | None = None
    changed_at: datetime | None = None
    retries: int = 0
    retried_at: datetime | None = None
    listings: tuple[PartListing, ...] = ()
    failures: tuple[PartFailure, ...] = ()
    removed: tuple[RemovedModel, ...] = ()
    access: AccessState | None = None
    events: tuple[CatalogEvent, ...] = ()
    forgotten_event_id: str = ""
    projects: tuple[str, ...] = ()
