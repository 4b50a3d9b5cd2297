"""What stands in a list: a model, an inference profile or an alias, with every way to call it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.catalog.cards.records import Card
from app.catalog.project_names import project_in
from app.catalog.records import GLOBAL, TEXT, AccountModel, FoundationModel, Invocation

MODEL = "model"
INFERENCE_PROFILE = "inference_profile"
ALIAS = "alias"
# Of the account's own, one for each of their parts.
PROVISIONED_MODEL = "provisioned_model"
MODEL_DEPLOYMENT = "model_deployment"
IMPORTED_MODEL = "imported_model"
MARKETPLACE_ENDPOINT = "marketplace_endpoint"
PROMPT_ROUTER = "prompt_router"
ACCOUNT_KINDS = (PROVISIONED_MODEL, MODEL_DEPLOYMENT, IMPORTED_MODEL, MARKETPLACE_ENDPOINT, PROMPT_ROUTER)

ACTIVE = "active"
DEPRECATED = "deprecated"
RETIRED = "retired"
LIFECYCLES = (ACTIVE, DEPRECATED, RETIRED)

# Kinds of invocations, as CATALOG_INVOKE_ORDER names them.
ON_DEMAND = "on_demand"
GEOGRAPHIC = "geographic"
WORLDWIDE = "global"
INVOKE_ORDER = (ON_DEMAND, GEOGRAPHIC, WORLDWIDE)
# A region says that a profile calls the model, and its profiles are not known.
UNKNOWN_PROFILE = "unknown_profile"
# One of the account's own is called by its ARN in its region, or stands there and cannot be called as it is.
ACCOUNT = "account"
NOT_CALLABLE = "not_callable"

APPLICATION = "application"


def profile_ids(*ways: Iterable[Invocation]) -> tuple[str, ...]:
    """The profiles that the invocations lead through, sorted."""
    return _sorted_once(way.profile_id for it in ways for way in it if way.profile_id is not None)


def kind_of_profile(destinations: tuple[str, ...]) -> str:
    return WORLDWIDE if GLOBAL in destinations else GEOGRAPHIC


# The rows of a model that are equal, and their regions.
RowGroup = tuple[FoundationModel, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A model, an inference profile or an alias, merged over regions.

    `invocations` stand in order of preference; `former_invocations` are those of regions where the model has reached
    its end of life. Of a profile, both are its own, and so are the prices of its card; all else is its model's. `rows`
    are what the facts come from, in the regions' order of preference. `aliases` are the operator's names that stand for
    it; an alias has all else of the entry `alias_of`, which it stands for. `project_ways` are the invocations that only
    a project opens, None while none is configured; `projects_setting` names the projects, and `is_of_project` tells
    that nothing else opens it. `account_row` is the row of one of the account's own, whose facts are its base model's
    and whose `model_id` is its own ARN where no base is known.
    """

    kind: str = MODEL
    id: str
    name: str
    model_id: str
    geography: str | None = None
    provider: str | None = None
    created_at: datetime
    lifecycle: str = ACTIVE
    deprecated_at: datetime | None = None
    retires_at: datetime | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    response_streaming: bool | None = None
    invocations: tuple[Invocation, ...] = ()
    former_invocations: tuple[Invocation, ...] = ()
    card: Card | None = None
    alias_of: str | None = None
    aliases: tuple[str, ...] = ()
    rows: tuple[RowGroup, ...] = field(default=(), repr=False)
    project_ways: tuple[Invocation, ...] | None = None
    is_of_project: bool = False
    projects_setting: tuple[str, ...] = ()
    account_row: AccountModel | None = None
    base_model_id: str | None = None

    @property
    def is_text(self) -> bool:
        return TEXT in self.input_modalities and TEXT in self.output_modalities

    @property
    def is_callable(self) -> bool:
        """Whether it is callable, or was until its end of life."""
        return bool(self.invocations) or (self.lifecycle == RETIRED and bool(self.former_invocations))

    @property
    def unused_card_fields(self) -> tuple[str, ...]:
        """What the entry does not take from its card, because Bedrock tells it or because it is a profile's own."""
        card = self.card
        if card is None or card.display_name is None:
            return ()
        is_named_by_card = self.kind == MODEL and (card.overrides_name or not any(row.name for row, _ in self.rows))
        return () if is_named_by_card else ("display_name",)

    @property
    def regions(self) -> tuple[str, ...]:
        """The source regions that it can be called from, sorted."""
        return _sorted_once(region for way in self.invocations for region in way.regions)

    @property
    def projects(self) -> dict[str, str]:
        """The project that opens it, in each region where nothing else does."""
        if not self.project_ways:
            return {}
        regions = {region for way in self.project_ways for region in way.regions}.difference(self.regions)
        found = {region: project_in(self.projects_setting, region) for region in sorted(regions)}
        return {region: project for region, project in found.items() if project is not None}

    @property
    def on_demand_regions(self) -> tuple[str, ...]:
        return _sorted_once(region for way in self.invocations if way.kind == ON_DEMAND for region in way.regions)

    @property
    def invoke(self) -> dict[str, str]:
        """The id to send, by region; a region whose id is unknown is left out."""
        ids: dict[str, str] = {}
        for way in self.invocations:
            if way.kind not in (UNKNOWN_PROFILE, NOT_CALLABLE):
                for region in way.regions:
                    ids.setdefault(region, way.profile_id or self.model_id)
        return dict(sorted(ids.items()))

    @property
    def inference_profiles(self) -> dict[str, tuple[str, ...]]:
        """The source regions of each profile, both sorted."""
        regions: dict[str, list[str]] = {}
        for way in self.invocations:
            if way.profile_id is not None:
                regions.setdefault(way.profile_id, []).extend(way.regions)
        return {profile_id: _sorted_once(regions[profile_id]) for profile_id in sorted(regions)}

    @property
    def destinations(self) -> dict[str, tuple[str, ...]]:
        """Of a profile: where it is processed, by source region."""
        return dict(sorted((region, way.destinations) for way in self.invocations for region in way.regions))


def _sorted_once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))
