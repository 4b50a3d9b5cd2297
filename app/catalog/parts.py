"""The parts: every kind of listing that a region can be asked for. Readers, calls and the codec follow this table."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.catalog.records import (
    APPLICATION_PROFILES,
    DATA_RETENTION,
    DEPLOYMENTS,
    IMPORTED,
    MANTLE,
    MARKETPLACE,
    MODELS,
    PROFILES,
    PROGRAMS,
    PROJECT_MODELS,
    PROJECT_PROFILES,
    PROVISIONED,
    ROUTERS,
    AccountModel,
    AccountSetting,
    FoundationModel,
    InferenceProfile,
    MantleModel,
    Row,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A kind of listing: the record class of its rows, and the IAM action that it takes."""

    name: str
    row_class: type[Row]
    action: str


PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(name=MODELS, row_class=FoundationModel, action="bedrock:ListFoundationModels"),
        Part(name=PROFILES, row_class=InferenceProfile, action="bedrock:ListInferenceProfiles"),
        Part(name=APPLICATION_PROFILES, row_class=InferenceProfile, action="bedrock:ListInferenceProfiles"),
        Part(name=PROVISIONED, row_class=AccountModel, action="bedrock:ListProvisionedModelThroughputs"),
        Part(name=DEPLOYMENTS, row_class=AccountModel, action="bedrock:ListCustomModelDeployments"),
        Part(name=IMPORTED, row_class=AccountModel, action="bedrock:ListImportedModels"),
        Part(name=MARKETPLACE, row_class=AccountModel, action="bedrock:ListMarketplaceModelEndpoints"),
        Part(name=ROUTERS, row_class=AccountModel, action="bedrock:ListPromptRouters"),
        Part(name=MANTLE, row_class=MantleModel, action="bedrock-mantle:ListModels"),
        Part(name=PROJECT_MODELS, row_class=FoundationModel, action="bedrock:ListFoundationModels"),
        Part(name=PROJECT_PROFILES, row_class=InferenceProfile, action="bedrock:ListInferenceProfiles"),
        Part(name=DATA_RETENTION, row_class=AccountSetting, action="bedrock:GetAccountDataRetention"),
        Part(name=PROGRAMS, row_class=AccountSetting, action="bedrock:ListTrustedAccessPrograms"),
    )
}

# The table of the stored form that has a class's rows. A table without rows is left out, but for the first two.
STORED_TABLES: Mapping[type[Row], str] = {
    FoundationModel: "models",
    InferenceProfile: "profiles",
    AccountModel: "account_models",
    MantleModel: "mantle_models",
    AccountSetting: "account_settings",
}
ALWAYS_STORED = ("models", "profiles")

OWN_PARTS = tuple(it.name for it in PARTS.values() if it.row_class is AccountModel)


def row_class_of(part: str) -> type[Row]:
    """The record class of a part's rows; of a part that a newer version stored, that of profiles."""
    known = PARTS.get(part)
    return InferenceProfile if known is None else known.row_class
