"""The catalog's lists beside a gateway: the tests of site.conf, with gateway.conf before the same application."""

from collections.abc import Iterator

import pytest

from tests.support.gateway_stub import GatewayStub, running_gateway
from tests.support.nginx_checks import UNBUFFERED, behind_nginx
from tests.support.nginx_server import Nginx
from tests.support.unix_app import UnixApp
from tests.system.nginx import test_outages

# Their fixtures `nginx` and `both` are those of this module.
from tests.system.nginx.test_caching import (  # noqa: F401
    test_a_client_that_has_the_answer_gets_304_without_the_application,
    test_a_new_catalog_is_seen_within_a_second_under_constant_load,
    test_a_refused_key_is_refused_anew_each_time_and_stored_never,
    test_a_revalidation_asks_by_tag_and_every_other_time_for_the_whole,
    test_a_revoked_key_is_refused_within_a_second_under_constant_load,
    test_an_answer_is_stored_for_one_key_origin_and_encoding,
    test_an_answer_is_stored_for_one_path_and_query_as_sent,
    test_only_answers_that_the_application_lets_nginx_keep_are_stored,
    test_the_cache_is_readable_by_nginx_alone,
)
from tests.system.nginx.test_forwarding import (  # noqa: F401
    test_a_repeated_authorization_header_is_refused,
    test_a_request_line_of_8_kilobytes_is_accepted,
    test_of_a_repeated_api_key_header_the_application_gets_the_first,
)
from tests.system.nginx.test_logging import (  # noqa: F401
    test_stored_answers_have_request_ids_of_their_own,
    test_the_access_log_tells_of_a_request_what_an_operator_asks,
)
from tests.system.nginx.test_outages import (  # noqa: F401
    test_a_revoked_key_is_refused_whatever_its_request_has_on_top,
    test_headers_of_any_size_that_is_accepted_cost_no_answer,
    test_no_stored_answer_stood_in_for_any_of_them,
)
from tests.system.nginx.test_stale import (  # noqa: F401
    test_a_stored_answer_never_hides_an_error_of_the_application,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, UnixApp]]:
    with (
        running_gateway(GatewayStub()) as gateway,
        behind_nginx(
            tmp_path_factory.mktemp("gateway"), {"gateway.conf": UNBUFFERED}, gateway_port=gateway.port
        ) as both,
    ):
        yield both


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with (
        running_gateway(GatewayStub()) as gateway,
        test_outages.with_a_revoked_key(tmp_path_factory.mktemp("outages"), gateway_port=gateway.port) as nginx,
    ):
        yield nginx
