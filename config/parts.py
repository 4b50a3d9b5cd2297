"""The words of CATALOG_PARTS, and which of them a region is asked to list."""

# No listing: asked for model by model (app/refresh/access_checker.py).
ACCESS = "access"
# The table that says what each listing is stands in app/catalog/parts.py.
PARTS = (
    "models",
    "profiles",
    "application_profiles",
    "provisioned",
    "deployments",
    "imported",
    "marketplace",
    "routers",
    "mantle",
    ACCESS,
)
# Asked for while AWS_BEDROCK_PROJECT is set, last; listings first.
PROJECT_PARTS = ("project_models", "project_profiles", "data_retention", "trusted_access_programs")


def listed_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The parts that each region is asked to list."""
    return tuple(part for part in parts if part != ACCESS)
