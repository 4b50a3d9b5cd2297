"""AWS's rows, read into records: only an unreadable id costs a row."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeVar

from app.catalog.parts import row_class_of
from app.catalog.reading import Malformed, Reader
from app.catalog.records import (
    APPLICATION_PROFILES,
    DATA_RETENTION,
    DEPLOYMENTS,
    GLOBAL,
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
    ProfileModel,
    Row,
)

T = TypeVar("T")

# (field, the object that holds it or "" for the row itself, its key there, how its value is read)
Fields = tuple[tuple[str, str, str, Callable[[Reader], Any]], ...]


def _fields_of(kind: type[FoundationModel | MantleModel]) -> Fields:
    optional = (it for it in fields(kind) if it.name != "id")
    return tuple((it.name, *it.metadata["aws"].rpartition(".")[::2], it.metadata["read"]) for it in optional)


MODEL_FIELDS = _fields_of(FoundationModel)
MANTLE_FIELDS = _fields_of(MantleModel)
# Any partition; an ARN without a region is how AWS writes that a call is processed anywhere.
MODEL_ARN = re.compile(r"arn:[^:]+:bedrock:([^:]*):[^:]*:foundation-model/(.+)")
# What a row is read by, and what an id must be: another kind of ARN could hide what another part listed.
ID_KEYS = {
    MODELS: "modelId",
    PROFILES: "inferenceProfileId",
    APPLICATION_PROFILES: "inferenceProfileArn",
    PROVISIONED: "provisionedModelArn",
    DEPLOYMENTS: "customModelDeploymentArn",
    IMPORTED: "modelArn",
    MARKETPLACE: "endpointArn",
    ROUTERS: "promptRouterArn",
    MANTLE: "id",
    PROJECT_MODELS: "modelId",
    PROJECT_PROFILES: "inferenceProfileId",
    DATA_RETENTION: "mode",
    PROGRAMS: "programId",
}
ACCOUNT_ARNS = {
    PROVISIONED: "bedrock:{}provisioned-model/",
    DEPLOYMENTS: "bedrock:{}custom-model-deployment/",
    IMPORTED: "bedrock:{}imported-model/",
    MARKETPLACE: "sagemaker:{}endpoint/",
    ROUTERS: "bedrock:{}(?:default-)?prompt-router/",
}
ACCOUNT_IDS = {part: re.compile(f"arn:[^:]+:{arn.format('[^:]+:[^:]+:')}.+") for part, arn in ACCOUNT_ARNS.items()}
# The fields of AccountModel, but for what ARNs name, and the keys that have them in rows of the part.
ACCOUNT_FIELDS: Mapping[str, Mapping[str, tuple[str, Callable[[Reader], Any]]]] = {
    PROVISIONED: {
        "name": ("provisionedModelName", Reader.string),
        "status": ("status", Reader.string),
        "created_at": ("creationTime", Reader.instant),
        "updated_at": ("lastModifiedTime", Reader.instant),
        "commitment_ends_at": ("commitmentExpirationTime", Reader.instant),
    },
    DEPLOYMENTS: {
        "name": ("customModelDeploymentName", Reader.string),
        "status": ("status", Reader.string),
        "created_at": ("createdAt", Reader.instant),
        "updated_at": ("lastUpdatedAt", Reader.instant),
    },
    IMPORTED: {
        "name": ("modelName", Reader.string),
        "created_at": ("creationTime", Reader.instant),
        "is_chat": ("instructSupported", Reader.boolean),
    },
    MARKETPLACE: {
        "status": ("status", Reader.string),
        "created_at": ("createdAt", Reader.instant),
        "updated_at": ("updatedAt", Reader.instant),
    },
    ROUTERS: {
        "name": ("promptRouterName", Reader.string),
        "status": ("status", Reader.string),
        "created_at": ("createdAt", Reader.instant),
        "updated_at": ("updatedAt", Reader.instant),
    },
}
# The member of a row whose ARN names the base model.
BASE_KEYS = {PROVISIONED: "foundationModelArn", DEPLOYMENTS: "modelArn"}
# A custom model's ARN has its base model's id before its own; an imported one has none.
BASE_ARN = re.compile(
    r"arn:[^:]+:bedrock:[^:]*:[^:]*:(?:(?:foundation-model|inference-profile)/(.+)|custom-model/(.+)/[^/]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a part, once an id; how many had no readable id; how many optional values were left out unread."""

    rows: tuple[Row, ...]
    skipped_rows: int
    unread_fields: int


NO_BASE_ARN = re.compile(r":(?:imported-model|application-inference-profile)/")
NO_ROWS = Rows(rows=(), skipped_rows=0, unread_fields=0)


def _profile_in(arn: str) -> str | None:
    """What an ARN names that may lead to other regions: a system's profile by its id, any other by the ARN."""
    if ":foundation-model/" in arn:
        return None
    return arn.partition("/")[2] if ":inference-profile/" in arn else arn


def read_rows(values: Iterable[Any], part: str) -> Rows:
    """Read the rows of a part as Bedrock's JSON has them.

    Source: Bedrock FoundationModelSummary for models, InferenceProfileSummary for profiles, OpenAI's Model for
    `mantle`; AccountModel and AccountSetting name the others.
    """
    reader = _RowReader()
    readers: dict[type[Row], Callable[[str, Reader], Row]] = {
        FoundationModel: reader.model,
        InferenceProfile: reader.profile,
        MantleModel: reader.mantle_model,
        AccountModel: partial(reader.account_model, part),
        AccountSetting: reader.setting,
    }
    read = readers[row_class_of(part)]
    id_key, id_form = ID_KEYS[part], ACCOUNT_IDS.get(part)
    rows: dict[str, Row] = {}
    skipped = 0
    for value in values:
        row = Reader(value)
        try:
            row_id = row.get(id_key).string()
            if id_form is not None and not id_form.fullmatch(row_id):
                row.get(id_key).fail("an ARN of this part")
        except Malformed:
            skipped += 1
        else:
            if row_id not in rows:
                rows[row_id] = read(row_id, row)
    return Rows(rows=tuple(rows.values()), skipped_rows=skipped, unread_fields=reader.unread)


class _RowReader:
    """Reads the optional values of rows; one that cannot be read is counted and left out."""

    def __init__(self) -> None:
        self.unread = 0

    def model(self, model_id: str, row: Reader) -> FoundationModel:
        return FoundationModel(id=model_id, **self._values(row, MODEL_FIELDS))

    def mantle_model(self, model_id: str, row: Reader) -> MantleModel:
        return MantleModel(id=model_id, **self._values(row, MANTLE_FIELDS))

    def _values(self, row: Reader, wanted: Fields) -> dict[str, Any]:
        holders = {"": row}
        values: dict[str, Any] = {}
        for name, holder, key, read in wanted:
            if holder not in holders:
                holders[holder] = self._object(row.get(holder))
            values[name] = self._optional(holders[holder].get(key), read)
        return values

    def profile(self, profile_id: str, row: Reader) -> InferenceProfile:
        return InferenceProfile(
            id=profile_id,
            name=self._optional(row.get("inferenceProfileName"), Reader.string),
            type=self._optional(row.get("type"), Reader.string),
            status=self._optional(row.get("status"), Reader.string),
            models=self._profile_models(row.get("models")),
        )

    def setting(self, name: str, row: Reader) -> AccountSetting:
        return AccountSetting(id=name, value=self._optional(row.get("status"), Reader.string))

    def account_model(self, part: str, arn: str, row: Reader) -> AccountModel:
        values = {name: self._optional(row.get(key), read) for name, (key, read) in ACCOUNT_FIELDS[part].items()}
        if part == MARKETPLACE:
            values["name"] = arn.rpartition("/")[2] or None
        if part == ROUTERS:
            fallback = self._object(row.get("fallbackModel")).get("modelArn")
            values["base_id"] = self._base(fallback)
            arns = [*self._items(row.get("models"), lambda item: item.get("modelArn").string())]
            arns += [fallback.value] if isinstance(fallback.value, str) else []
            values["profile_ids"] = tuple(dict.fromkeys(it for arn in arns if (it := _profile_in(arn)) is not None))
        elif part in BASE_KEYS:
            values["base_id"] = self._base(row.get(BASE_KEYS[part]))
        return AccountModel(id=arn, **values)

    def _base(self, value: Reader) -> str | None:
        """What an ARN names as the model; None for an imported one, which has no base."""
        arn = self._optional(value, Reader.string)
        found = None if arn is None else BASE_ARN.fullmatch(arn)
        if found is not None:
            base_id = found[1] or found[2]
            return None if base_id == "imported" else base_id
        self.unread += arn is not None and not NO_BASE_ARN.search(arn)
        return None

    def _profile_models(self, value: Reader) -> tuple[ProfileModel, ...]:
        destinations: dict[str, set[str]] = {}
        for arn in self._items(value, lambda item: item.get("modelArn").string()):
            if found := MODEL_ARN.fullmatch(arn):
                region, model_id = found.groups()
                destinations.setdefault(model_id, set()).add(region or GLOBAL)
            else:
                self.unread += 1
        return tuple((model_id, tuple(sorted(regions))) for model_id, regions in destinations.items())

    def _optional(self, value: Reader, read: Callable[[Reader], Any]) -> Any:
        if read is Reader.strings:
            return self._strings(value)
        if value.value is None or (isinstance(value.value, str) and not value.value.strip()):
            return None
        try:
            return read(value)
        except Malformed:
            self.unread += 1
            return None

    def _strings(self, value: Reader) -> tuple[str, ...] | None:
        words = self._items(value, Reader.string)
        # No word at all is a statement of AWS's; words of which none can be read are none.
        return words if words or value.value == [] else None

    def _items(self, value: Reader, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """The items of a list that can be read."""
        good = []
        try:
            for item in value.each():
                try:
                    good.append(read(item))
                except Malformed:
                    self.unread += 1
        except Malformed:
            self.unread += 1
        return tuple(good)

    def _object(self, value: Reader) -> Reader:
        """An object, empty where it is missing or cannot be read."""
        if isinstance(value.value, dict):
            return value
        self.unread += value.value is not None
        return Reader({})
