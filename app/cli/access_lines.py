"""What `flask catalog status` prints of access."""

from collections.abc import Iterator

from app.catalog.access import ACCESS_STATES
from app.catalog.status import AccessStatus


def access_lines(status: AccessStatus | None) -> Iterator[str]:
    """Nothing while that part is off."""
    if status is None:
        return
    counts = [f"{status.models[state]} {state}" for state in ACCESS_STATES if status.models.get(state)]
    yield f"access: {', '.join([*counts, f'{status.not_asked} not asked'])}"
    if status.form is None:
        yield "Anthropic's form: not asked"
    else:
        failure = f"; the last call failed: {status.form.failure}" if status.form.failure else ""
        checked_at = status.form.access.checked_at.isoformat(timespec="seconds")
        yield f"Anthropic's form: {status.form.access.state}, checked at {checked_at}{failure}"
    for code, action in sorted({(it.code, it.action) for it in status.pauses}):
        regions = [it.region for it in status.pauses if (it.code, it.action) == (code, action)]
        reason = f"{action} is not permitted" if action else code
        yield f"access is not asked for in {', '.join(regions)} until later: {reason}"
