"""Random bytes in requests to a real service: always a clear error, never a crash, never HTML."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.support.builders import KEY
from tests.support.servers import Service, running_service
from tests.system.chaos.conftest import SCALE, SEED, Note
from tests.system.test_bad_input import ANTHROPIC, AUTH, OPENAI, Answer, check, request, send

REQUESTS = 250 * SCALE


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("fuzz")) as running:
        yield running

    assert "Traceback" not in running.log()
    assert KEY not in running.log()


# Bytes as they come, percent-encoded in every form, and the pieces that parsers trip over.
ODD = (
    *(b"/", b"//", b"..", b"/../", b".", b"%2e%2e%2f", b"%2F", b"%00", b"%", b"%zz", b"%ff", b"%C0%AF", b"%u0041"),
    *(b"%ED%A0%80", b"\xed\xa0\x80", b"\xff", b"\x00", b"\x7f", b"\\", b";", b"#", b"?", b"&", b"=", b"+", b"*", b"[]"),
    *(b"[1m]", b"arn:aws:bedrock:us-east-1::foundation-model/a", b"models", b"livez", b"readyz", b"anthropic", b"v1"),
)
NUMBERS = (b"0", b"-1", b"1001", b"9" * 400, b"1e3", b"\xd9\xa3", b"true", b"x" * 4000)
PARAMETERS = (b"limit", b"after_id", b"before_id", b"lifecycle", b"lifecycle[]", b"lifecycle%5B%5D", b"region", b"")
BEFORE = (OPENAI, OPENAI + b"/", ANTHROPIC, ANTHROPIC + b"/", b"/", b"", b"http://catalog" + OPENAI, b"/mcp")
KNOWN_HEADERS = (
    *(b"Authorization", b"x-api-key", b"anthropic-version", b"anthropic-beta", b"If-None-Match", b"If-Modified-Since"),
    *(b"Accept", b"Accept-Encoding", b"Range", b"Cookie", b"Host", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Origin"),
    *(b"X-Request-Id", b"Content-Type", b"Content-Length", b"Expect", b"Transfer-Encoding", b"Upgrade", b"Connection"),
)
OTHER_METHODS = (b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"get", b"BREW")

PIECES = st.binary(max_size=8) | st.sampled_from(ODD)
PATHS = st.lists(PIECES, max_size=6).map(b"".join)
VALUES = PIECES | st.sampled_from(NUMBERS)
QUERIES = st.lists(st.tuples(st.sampled_from(PARAMETERS) | PIECES, VALUES).map(b"=".join), max_size=6).map(b"&".join)
TARGETS = st.builds(
    lambda before, path, query: before + path + (b"?" + query if query else b""),
    st.sampled_from(BEFORE),
    PATHS,
    QUERIES,
)
HEADER = st.tuples(st.sampled_from(KNOWN_HEADERS) | st.binary(min_size=1, max_size=6), st.binary(max_size=12) | VALUES)
HEADERS = st.lists(HEADER.map(lambda pair: b": ".join(pair) + b"\r\n"), max_size=3).map(b"".join)
METHODS = st.just(b"GET") | st.sampled_from(OTHER_METHODS)

FUZZ = settings(max_examples=REQUESTS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# How often an answer's status began with 2, 3, 4, 5.
ANSWERS: Counter[int] = Counter()


def tell(answer: Answer, *, is_head: bool = False) -> None:
    ANSWERS[answer.status // 100] += 1
    check(answer, is_head=is_head)


@seed(SEED)
@FUZZ
@given(target=TARGETS)
def test_no_target_is_more_than_the_service_can_answer(service: Service, target: bytes) -> None:
    line = target.replace(b"\r", b"").replace(b"\n", b"")

    tell(send(service, request(line)))


@seed(SEED)
@FUZZ
@given(target=TARGETS, headers=HEADERS, method=METHODS)
def test_no_header_and_no_method_is_either(service: Service, target: bytes, headers: bytes, method: bytes) -> None:
    line = target.replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"")
    # A body that was announced has to come, else the service rightly waits for it.
    data = request(line, AUTH + headers, method) + b"0\r\n\r\n" * 2000

    tell(send(service, data, method.decode()), is_head=method == b"HEAD")


@seed(SEED)
@FUZZ
@given(garbage=st.binary(max_size=200))
def test_no_garbage_is_either(service: Service, garbage: bytes) -> None:
    try:
        answer = send(service, garbage.lstrip(b"\r\n") + b"\r\n\r\n")
    except ConnectionError:
        return  # Nothing that looked like a request came, so there is nothing to answer.

    tell(answer)


def test_a_service_that_heard_all_this_still_serves(service: Service, note: Note) -> None:
    assert service.get("/v1/models").status_code == 200
    note("fuzzed requests", **{f"answers_{kind}xx": number for kind, number in sorted(ANSWERS.items())})
