"""What stands in a list: a model, an inference profile or an alias, with every way to call it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.catalog.access import EntryAccess
from app.catalog.cards.records import MODALITIES, Card
from app.catalog.project_names import project_in
from app.catalog.records import GLOBAL, TEXT, AccountModel, FoundationModel, Invocation, MantleModel

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
# Not of an entry's invocations, which are the runtime endpoint's: how filters and scopes look at Mantle.
ON_MANTLE = "mantle"

# Endpoints, as AWS names them.
RUNTIME_ENDPOINT = "bedrock-runtime"
MANTLE_ENDPOINT = "bedrock-mantle"

APPLICATION = "application"
# A geography of more letters is a word: `Global`, but `EU` and `APAC`.
MAX_ABBREVIATION = 4


def profile_ids(*ways: Iterable[Invocation]) -> tuple[str, ...]:
    """The profiles that the invocations lead through, sorted."""
    return _sorted_once(way.profile_id for it in ways for way in it if way.profile_id is not None)


def geography_in_words(geography: str) -> str:
    return geography.upper() if len(geography) <= MAX_ABBREVIATION else geography.capitalize()


def kind_of_profile(destinations: tuple[str, ...]) -> str:
    return WORLDWIDE if GLOBAL in destinations else GEOGRAPHIC


# The rows of a model that are equal, and their regions.
RowGroup = tuple[FoundationModel, tuple[str, ...]]
# The same of its rows on Mantle.
MantleGroup = tuple[MantleModel, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A model, an inference profile or an alias, merged over regions.

    `invocations` stand in order of preference; `former_invocations` are those of regions where the model has reached
    its end of life. Of a profile, both are its own, and so are the prices of its card; all else is its model's. `rows`
    are what the facts come from, in the regions' order of preference. `aliases` are the operator's names that stand for
    it; an alias has all else of the entry `alias_of`, which it stands for. `account_row` is the row of one of the
    account's own, whose facts are its base model's and whose `model_id` is its own ARN where no base is known.
    `access` is its model's, None while that part is off. `mantle_rows` are where Mantle serves the model under its id,
    in the regions' order of preference, None while that part is off. A model that is on Mantle alone has no `rows`.
    `project_ways` are the invocations that only a project opens, None while none is configured; `projects_setting`
    names the projects, and `is_of_project` that nothing else opens it.
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
    access: EntryAccess | None = None
    rows: tuple[RowGroup, ...] = field(default=(), repr=False)
    project_ways: tuple[Invocation, ...] | None = None
    is_of_project: bool = False
    projects_setting: tuple[str, ...] = ()
    account_row: AccountModel | None = None
    base_model_id: str | None = None
    mantle_rows: tuple[MantleGroup, ...] | None = None

    @property
    def is_text(self) -> bool:
        return TEXT in self.input_modalities and TEXT in self.output_modalities

    @property
    def is_eligible(self) -> bool:
        """Whether the pattern of an alias can stand for it, or for one of its profiles."""
        return self.lifecycle == ACTIVE and self.is_text and bool(self.invocations)

    @property
    def is_callable(self) -> bool:
        """Whether it is callable, on Mantle too, or was until its end of life."""
        return self.is_callable_at_runtime or bool(self.mantle_rows)

    @property
    def is_callable_at_runtime(self) -> bool:
        return bool(self.invocations) or (self.lifecycle == RETIRED and bool(self.former_invocations))

    @property
    def is_on_mantle_alone(self) -> bool:
        """Whether Mantle serves it and no other part lists it."""
        return bool(self.mantle_rows) and not self.rows

    @property
    def mantle(self) -> dict[str, str] | None:
        """The id to send to Mantle, by region; None while that part is off."""
        if self.mantle_rows is None:
            return None
        return dict(sorted((region, row.id) for row, regions in self.mantle_rows for region in regions))

    @property
    def mantle_ways(self) -> tuple[Invocation, ...]:
        """Mantle as an invocation: AWS does not state where a call is processed."""
        return tuple(Invocation(kind=ON_MANTLE, regions=regions) for _, regions in self.mantle_rows or ())

    @property
    def endpoints(self) -> list[str]:
        """The endpoints that serve it."""
        ways = [way for way in (*self.invocations, *(self.project_ways or ())) if way.kind != NOT_CALLABLE]
        served = ((RUNTIME_ENDPOINT, ways), (MANTLE_ENDPOINT, self.mantle_rows))
        return [endpoint for endpoint, found in served if found]

    @property
    def data_retention(self) -> dict[str, list[str]] | None:
        """What Mantle states of it in the first region that does, as it is; None where none does."""
        modes = (row.data_retention_modes for row, _ in self.mantle_rows or ())
        known = next((it for it in modes if it is not None), None)
        return None if known is None else {"allowed_modes": list(known)}

    @property
    def access_state(self) -> str | None:
        """None where AWS was not asked."""
        report = None if self.access is None else self.access.report
        return None if report is None else report.state

    @property
    def unused_card_fields(self) -> tuple[str, ...]:
        """What the entry does not take from its card, because Bedrock states it or because it is a profile's own."""
        card = self.card
        if card is None:
            return ()
        is_named_by_card = self.kind == MODEL and (card.overrides_name or not any(row.name for row, _ in self.rows))
        name = () if is_named_by_card or card.display_name is None else ("display_name",)
        return (*name, *MODALITIES) if self.rows else name

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
