"""What `flask catalog status` prints of projects."""

from collections.abc import Iterator

from app.catalog.status import ProjectStatus


def project_lines(projects: tuple[ProjectStatus, ...] | None) -> Iterator[str]:
    """A line a region; nothing while no project is configured."""
    for it in projects or ():
        programs = ", ".join(f"{name} {status or 'unknown'}" for name, status in sorted(it.programs.items()))
        yield (
            f"project {it.project} in {it.region}: data retention {it.data_retention or 'unknown'}, "
            f"programs: {programs or 'none'}"
        )
