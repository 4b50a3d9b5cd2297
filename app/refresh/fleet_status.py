"""What an operator sees of a host's fleet."""

from dataclasses import dataclass

from app.refresh.store import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """A host's fleet at a moment, in words and for programs.

    `problem` says why the engine cannot be used, None where it can; `lag_s` is how much later the fleet's catalog is
    than this host's.
    """

    fleet: str
    store: str
    link_holder: str | None
    host_version: Version
    fleet_version: Version | None = None
    lag_s: float | None = None
    problem: str | None = None

    def __str__(self) -> str:
        link = f"link held by {self.link_holder}" if self.link_holder else "no worker of this host holds the link"
        if self.problem is not None:
            return (
                f"fleet {self.fleet}: cannot be used: {self.problem}; this host has version {self.host_version}; {link}"
            )
        return (
            f"fleet {self.fleet} ({self.store}): version {self.fleet_version}, this host {self.host_version}, "
            f"lag {self.lag_s or 0:.1f} s; {link}"
        )

    def report(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "name": self.fleet,
            "store": self.store,
            "is_reachable": self.problem is None,
            "problem": self.problem,
            "link_holder": self.link_holder,
            "version": str(self.fleet_version) if self.fleet_version else None,
            "host_version": str(self.host_version),
            "lag_seconds": self.lag_s,
        }
