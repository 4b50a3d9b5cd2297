"""The first path segments that a prefix may not begin with, against the routes that there are."""

from config import RESERVED_SEGMENTS
from tests.conftest import MakeApp


def test_the_reserved_segments_are_the_first_ones_of_the_services_own_routes(make_app: MakeApp) -> None:
    app = make_app(None, anthropic_prefix="/dialect", openai_prefix="/dialect/openai")
    first = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}

    assert first - {"dialect"} == RESERVED_SEGMENTS
