"""The service as `wsgi.py` makes it, with the waits of a fleet cut to a fifth, so that its faults are quickly over."""

from app.refresh import engine, fleet_link

engine.LEASE_S = 2.0
engine.BLOCK_S = 1.0
engine.TIMEOUT_S = 0.5
fleet_link.MAX_BACKOFF_S = 1.0
fleet_link.MIN_PROBE_S = fleet_link.MAX_PROBE_S = 1.0

from wsgi import app as app  # noqa: E402
