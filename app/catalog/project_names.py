"""Which project a region is asked for: AWS_BEDROCK_PROJECT as it is written, `project` or `region=project` pairs."""

from collections.abc import Sequence


def project_in(projects: Sequence[str], region: str) -> str | None:
    """The region's project; None where it has none."""
    for written in projects:
        named, equals, project = written.partition("=")
        if not equals:
            return written
        if named == region:
            return project
    return None


def is_named_for(projects: Sequence[str], region: str) -> bool:
    """Whether a project is named for this region, and not for all."""
    return any(written.startswith(f"{region}=") for written in projects)
