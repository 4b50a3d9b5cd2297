"""The keys: how they are written, where they are kept, and how they change under a running service."""

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from structlog.testing import capture_logs
from urllib3 import HTTPResponse

from app.auth import aws_child as aws_keys
from app.auth.aws_parent import fetch_keys
from app.auth.keys import (
    FILE,
    PARAMETER,
    SECRET,
    SETTING,
    BadKeys,
    Key,
    KeyKeeper,
    KeyRing,
    digest_of,
    parse_document,
    parse_key,
    parse_lines,
    read_file,
)
from app.telemetry import metrics
from config import ConfigError, Settings
from tests.conftest import MakeApp, client_of
from tests.support.builders import KEY, snapshot
from tests.support.servers import PROJECT, eventually, running_service

HEX = hashlib.sha256(b"s3cret").hexdigest()


def key(text: str, name: str | None = None) -> Key:
    return Key(name=name, digest=digest_of(text.encode()))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("s3cret", key("s3cret")),
        ("ci:s3cret", key("s3cret", "ci")),
        ("ci:s3:cret", key("s3:cret", "ci")),
        ("ci : s3cret", key("s3cret", "ci")),
        (f"sha256:{HEX}", key("s3cret")),
        (f"sha256:{HEX.upper()}", key("s3cret")),
        (f"ci:sha256:{HEX}", key("s3cret", "ci")),
        ("sk-ant-api03_x/y+z==", key("sk-ant-api03_x/y+z==")),
    ],
)
def test_an_entry_is_a_key_or_its_digest_with_or_without_a_name(entry: str, expected: Key) -> None:
    assert parse_key(entry) == expected


@pytest.mark.parametrize(
    "entry",
    ["ci:", ":s3cret", "a/b:s3cret", "two words:s3cret", "SHA256:s3cret", "sha256:s3cret", "ci:sha256:12", "sha256:"],
)
def test_an_entry_that_is_no_key_is_refused_without_being_shown(entry: str) -> None:
    with pytest.raises(BadKeys) as raised:
        parse_key(entry)

    assert "s3cret" not in str(raised.value)


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1))
def test_every_text_without_a_colon_is_a_key_of_its_own(text: str) -> None:
    assert parse_key(text) == key(text)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("a\nci:b\n# a comment\n\n", (key("a"), key("b", "ci"))),
        ("a,ci:b", (key("a"), key("b", "ci"))),
        ('{"ci": "b", "ops": "c:d"}', (key("b", "ci"), key("c:d", "ops"))),
        (f'{{"ci": "sha256:{HEX}"}}', (key("s3cret", "ci"),)),
        ("12345", (key("12345"),)),
        ("", ()),
    ],
)
def test_what_aws_keeps_is_entries_or_an_object_of_keys_by_name(document: str, expected: tuple[Key, ...]) -> None:
    assert parse_document(document) == expected


def test_an_object_of_anything_but_keys_is_refused() -> None:
    with pytest.raises(BadKeys):
        parse_document('{"ci": ["b"]}')


@pytest.mark.parametrize("name", ["", "team:a", "two words"])
def test_an_object_of_keys_by_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadKeys, match="a key's name"):
        parse_document(json.dumps({name: "s3cret"}))


@pytest.mark.parametrize("document", ['["k1", "k2"]', '"k1"', "[]"])
def test_json_that_names_no_keys_is_refused(document: str) -> None:
    with pytest.raises(BadKeys, match="no object of keys by name"):
        parse_document(document)


def test_a_file_with_a_byte_order_mark_has_no_other_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("k1\nk2\n", encoding="utf-8-sig")

    assert read_file(file) == parse_lines("k1\nk2")


def test_a_key_without_a_name_is_called_by_its_place() -> None:
    ring = KeyRing(parse_lines("ci:a\nb\nci:c\nother:a"))

    assert [ring.name_of([text]) for text in ("a", "b", "c", "d")] == ["ci", "key-2", "ci", None]
    assert ring.name_of(["d", "b"]) == "key-2"


class Sources:
    """A file and AWS's sources that a test changes, on a clock that it turns."""

    def __init__(self, folder: Path, *, memory: Path | None = None, **settings: Any) -> None:
        self.file = folder / "keys"
        self.file.write_text("from-file\n")
        self.now_s = 0.0
        self.documents: dict[str, str | BadKeys] = {SECRET: "ops:from-aws"}
        self.keeper = KeyKeeper(
            Settings(api_keys_file=str(self.file), api_keys_secret_id="keys", **settings),
            self.fetch,
            memory=memory,
            monotonic=lambda: self.now_s,
        )

    def fetch(self, settings: Settings, *, stopping: Callable[[], bool]) -> Mapping[str, str | BadKeys]:
        return dict(self.documents)

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.keeper.check()

    def admits(self, *texts: str) -> list[bool]:
        return [self.keeper.ring.name_of([text]) is not None for text in texts]


def test_all_sources_count_together(tmp_path: Path) -> None:
    sources = Sources(tmp_path, api_keys=("from-env",))
    sources.later(0)

    assert sources.admits("from-env", "from-file", "from-aws", "other") == [True, True, True, False]


def test_a_key_removed_from_aws_is_refused_within_one_interval(tmp_path: Path) -> None:
    sources = Sources(tmp_path, refresh_s=900)
    sources.later(0)
    sources.documents[SECRET] = "ops:new"
    sources.later(600)
    before = sources.admits("from-aws", "new")
    sources.later(300)

    assert before == [True, False]
    assert sources.admits("from-aws", "new") == [False, True]


def test_a_key_removed_from_the_file_is_refused_at_the_next_look(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    sources.file.write_text("from-2nd-\n")  # As long as before.
    sources.later(1)

    assert sources.admits("from-file", "from-2nd-", "from-aws") == [False, True, True]


@pytest.mark.parametrize("content", [None, b"ci:\n", b"\xff\xfe"])
def test_a_file_that_can_no_longer_be_read_keeps_its_keys(tmp_path: Path, content: bytes | None) -> None:
    sources = Sources(tmp_path)
    sources.later(0)
    if content is None:
        sources.file.unlink()
    else:
        sources.file.write_bytes(content)
    sources.later(1000)
    while_broken = sources.admits("from-file")
    failing = metrics.KEY_SOURCE_FAILING.labels(FILE)._value.get()
    sources.file.write_text("repaired\n")
    sources.later(1)

    assert (failing, metrics.KEY_SOURCE_FAILING.labels(FILE)._value.get()) == (1, 0)
    assert while_broken == [True]
    assert sources.admits("from-file", "repaired") == [False, True]


def test_aws_failing_keeps_its_keys_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from app.telemetry import logs

    logs.configure("json", "info")
    sources = Sources(tmp_path)
    sources.later(0)
    for broken in (BadKeys("AccessDeniedException"), "ci:sha256:nonsense"):
        sources.documents[SECRET] = broken
        sources.later(1000)

        assert sources.admits("from-aws") == [True]

    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failures = [line for line in told if line["event"] == "keys_not_read"]
    assert [(line["source"], line["consequence"]) for line in failures] == [(SECRET, "its last 1 keys stay")] * 2
    assert "AccessDeniedException" in failures[0]["reason"]
    assert "nonsense" not in str(told)


def test_a_worker_that_starts_while_sources_fail_knows_what_others_read_last(tmp_path: Path) -> None:
    service = tmp_path / "service"
    service.mkdir()
    file = tmp_path / "keys"
    file.write_text("old-1\nold-2\n")
    with running_service(service, API_KEYS="", API_KEYS_FILE=str(file), TMPDIR=str(tmp_path)) as running:

        def statuses() -> list[int]:
            return [running.get("/v1/models", key).status_code for key in ("old-1", "old-2", "new-1")]

        file.write_text("old-2\nnew-1\n")
        eventually(lambda: statuses() == [401, 200, 200])
        file.unlink()
        eventually(lambda: running.events("keys_not_read"))
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(running.events("keys_not_read")) == 2)
        eventually(lambda: "Worker exiting" in running.log())

        assert statuses() == [401, 200, 200]
        [memory] = tmp_path.glob("model-catalog-run-*/keys-API_KEYS_FILE.json")
        assert "old-2" not in memory.read_text()
        assert stat.S_IMODE(memory.stat().st_mode) == 0o600
        memory.write_text('[{"name": 7}]')
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: running.events("keys_not_remembered"))
        assert running.get("/livez").status_code == 200


def test_what_aws_told_last_is_remembered(tmp_path: Path) -> None:
    first = Sources(tmp_path, memory=tmp_path)
    first.later(0)
    # Knows nothing of the secret, and tells of the file last.
    second = Sources(tmp_path, memory=tmp_path)
    second.documents[SECRET] = BadKeys("AccessDeniedException")
    second.later(0)
    second.file.write_text("new\n")
    second.later(1)
    third = Sources(tmp_path, memory=tmp_path)
    third.documents[SECRET] = BadKeys("AccessDeniedException")
    third.keeper.start()
    third.keeper.stop()

    assert third.admits("from-aws") == [True]


@pytest.mark.parametrize("content", ["[]x", "7", '{"a": 1}', '[{"sha256": "no hex"}]', "[[1]]"])
def test_a_memory_that_makes_no_sense_is_not_believed(tmp_path: Path, content: str) -> None:
    for source in (SECRET, SETTING):
        (tmp_path / f"keys-{source}.json").write_text(content)
    sources = Sources(tmp_path, memory=tmp_path)
    with capture_logs() as logs:
        sources.keeper.start()
        sources.keeper.stop()

    assert [line["file"] for line in logs if line["event"] == "keys_not_remembered"] == [
        str(tmp_path / f"keys-{SECRET}.json")
    ]
    assert sources.admits("from-file", "from-aws") == [True, True]


def test_a_pipe_in_place_of_the_memory_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"keys-{SECRET}.json")
    sources = Sources(tmp_path, memory=tmp_path)
    sources.keeper.start()
    sources.keeper.stop()

    assert sources.admits("from-aws") == [True]


def test_a_memory_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sources(tmp_path, memory=tmp_path).later(0)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    sources = Sources(tmp_path, memory=tmp_path)
    sources.documents[SECRET] = BadKeys("AccessDeniedException")
    sources.keeper.start()
    sources.keeper.stop()

    assert sources.admits("from-aws") == [False]


def test_a_line_that_is_no_key_is_told_by_its_number() -> None:
    with pytest.raises(BadKeys, match="entry 3: "):
        parse_lines("good\n# a comment\nci:\n")


def test_a_key_that_nobody_could_look_up_yet_is_asked_to_come_again(tmp_path: Path, make_app: MakeApp) -> None:
    app = make_app(snapshot(), api_keys=("known",), api_keys_secret_id="keys")

    known, unknown, none = (client_of(app, text).get("/v1/models").status_code for text in ("known", "unknown", None))

    assert (known, unknown, none) == (503, 503, 401)  # There is no catalog for the known key.
    answer = client_of(app, "unknown").get("/livez")
    assert answer.status_code == 200
    assert client_of(app, "unknown").get("/anthropic/v1/models").headers["retry-after"] == "5"


def test_a_bug_in_the_reading_of_keys_is_counted_and_the_reading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Sources(tmp_path).keeper
    looks: list[object] = []

    def broken() -> None:
        looks.append(None)
        raise AssertionError("a bug")

    before = metrics.JOB_FAILURES.labels("keys")._value.get()
    monkeypatch.setattr("app.auth.keys.CHECK_S", 0.01)
    keeper.start()
    monkeypatch.setattr(keeper, "check", broken)
    eventually(lambda: len(looks) > 2)
    keeper.stop()

    assert metrics.JOB_FAILURES.labels("keys")._value.get() - before == len(looks)


def test_keys_are_not_asked_for_where_everybody_is_let_in(tmp_path: Path) -> None:
    keeper = KeyKeeper(Settings(auth_disabled=True, api_keys_secret_id="keys"), fetch=refuse_to_fetch)
    keeper.check()

    assert keeper.ring.is_complete


def refuse_to_fetch(*_: Any, **__: Any) -> Mapping[str, str | BadKeys]:
    raise AssertionError("AWS was asked")


def test_until_aws_answers_it_is_asked_every_ten_seconds(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    sources.documents[SECRET] = BadKeys("Timeout")
    sources.later(0)
    was_complete = sources.keeper.ring.is_complete
    sources.documents[SECRET] = "ops:from-aws"
    sources.later(10)

    assert not was_complete
    assert sources.keeper.ring.is_complete
    assert sources.admits("from-aws") == [True]


def test_nobody_is_let_in_by_an_oversight() -> None:
    with pytest.raises(ConfigError, match="name no key"):
        KeyKeeper(Settings(), fetch_keys)


@pytest.mark.parametrize("settings", [{"api_keys": ("ci:",)}, {"api_keys_file": "/nonexistent"}])
def test_a_source_that_is_wrong_at_the_start_stops_it(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="API_KEYS"):
        KeyKeeper(Settings(**settings), fetch_keys)


def test_the_name_of_the_key_is_logged_and_the_key_is_not(make_app: MakeApp, capfd: pytest.CaptureFixture[str]) -> None:
    app = make_app(snapshot(), api_keys=("ci:s3cret",))
    client_of(app, "s3cret").get("/v1/models")
    client_of(app, "wr0ng").get("/v1/models")

    written = capfd.readouterr().err
    assert [json.loads(line)["key"] for line in written.splitlines()] == ["ci", None]
    assert "s3cret" not in written
    assert "wr0ng" not in written


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Systems Manager and Secrets Manager over HTTP, and the variables that lead the SDK to them."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield variables
    server.stop()


def clients(service: str, name: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_parameter_of_any_type_is_read_in_clear(kind: Any) -> None:
    boto3.client("ssm", region_name="us-east-1").put_parameter(Name="/keys", Value="a,ci:b", Type=kind)

    assert aws_keys.read_source(PARAMETER, "/keys", clients) == {"source": PARAMETER, "document": "a,ci:b"}


def test_a_secret_is_read_as_it_is_now() -> None:
    manager = boto3.client("secretsmanager", region_name="us-east-1")
    manager.create_secret(Name="keys", SecretString='{"ci": "old"}')
    manager.put_secret_value(SecretId="keys", SecretString='{"ci": "new"}')

    assert aws_keys.read_source(SECRET, "keys", clients)["document"] == '{"ci": "new"}'


def test_what_aws_does_not_give_is_a_value_with_its_code() -> None:
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name="bytes", SecretBinary=b"a")

    assert aws_keys.read_source(PARAMETER, "/none", clients)["code"] == "ParameterNotFound"
    assert aws_keys.read_source(SECRET, "none", clients)["code"] == "ResourceNotFoundException"
    assert aws_keys.read_source(SECRET, "bytes", clients)["code"] == "NoText"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b"\xff", b'{"Parameter": 1, "SecretString": 1}'])
def test_an_answer_that_is_not_of_aws_is_a_value_with_its_code(body: bytes) -> None:
    def answering(service: str, name: str) -> Any:
        made = clients(service, name)
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        answer = AWSResponse("https://aws.example", 200, HTTPHeaders(), raw)
        made.meta.events.register_first("before-send", lambda **_: answer)
        return made

    for source in (PARAMETER, SECRET):
        assert aws_keys.read_source(source, "keys", answering)["code"]


def test_an_arn_is_asked_for_in_its_own_region() -> None:
    make = aws_keys.client_maker(Settings(regions=("eu-west-1",)))

    arn = "arn:aws:secretsmanager:ap-south-1:123456789012:secret:keys-AbCdEf"
    assert make("secretsmanager", arn).meta.region_name == "ap-south-1"
    assert make("secretsmanager", "keys").meta.region_name == "eu-west-1"


def test_a_name_is_asked_for_in_the_sdks_default_region() -> None:
    make = aws_keys.client_maker(Settings(regions=("all",), aws_region="us-gov-west-1"))

    assert make("ssm", "/keys").meta.region_name == "us-gov-west-1"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(60)", "no answer before the deadline"),
        ("print('nonsense')", "no source"),
        ("raise SystemExit('a reason')", "status 1: a reason"),
        ("pass", "without a word"),
    ],
)
def test_a_child_that_fails_is_a_source_that_fails(code: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.auth.aws_parent.TIMEOUT_S", 1.0)
    read = fetch_keys(Settings(api_keys_secret_id="keys"), stopping=lambda: False, command=(sys.executable, "-c", code))

    assert reason in str(read[SECRET])


def test_a_serving_process_reads_keys_from_aws_without_boto3(aws: dict[str, str]) -> None:
    boto3.client("ssm").put_parameter(Name="/keys", Value="ci:b", Type="SecureString")
    script = """
        import sys
        from app import create_app
        from config import Settings
        app = create_app(Settings(api_keys_ssm_parameter="/keys"))
        app.extensions["key_keeper"].check()
        assert app.extensions["keys"].name_of(["b"]) == "ci"
        assert not {"boto3", "botocore"} & sys.modules.keys()
    """
    environ = {"PATH": os.environ["PATH"]} | aws

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=PROJECT, env=environ, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_a_secret_rotates_under_every_worker_of_a_running_service(tmp_path: Path, aws: dict[str, str]) -> None:
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="keys", SecretString='{"old": "old-key", "both": "both-key"}')
    file = tmp_path / "keys"
    file.write_text(f"test:{KEY}\n")
    settings: dict[str, Any] = {
        "API_KEYS": "",
        "API_KEYS_FILE": str(file),
        "API_KEYS_SECRET_ID": "keys",
        "CATALOG_REFRESH_SECONDS": "3",
        "WEB_CONCURRENCY": "2",
    }
    with running_service(tmp_path, **settings | aws) as service:

        def statuses(text: str) -> set[int]:
            # Each request is a connection of its own, so that both workers are asked.
            return {service.get("/livez/no", text).status_code for _ in range(12)}

        assert statuses("old-key") == statuses("both-key") == {404}
        assert statuses("new-key") == {401}
        manager.put_secret_value(SecretId="keys", SecretString='{"new": "new-key", "both": "both-key"}')
        eventually(lambda: statuses("old-key") == {401} and statuses("new-key") == {404})
        assert statuses("both-key") == {404}

        manager.delete_secret(SecretId="keys", ForceDeleteWithoutRecovery=True)
        eventually(lambda: 'model_catalog_key_source_failing{source="API_KEYS_SECRET_ID"} 1.0' in metrics_of(service))
        assert statuses("new-key") == {404}

        file.write_text("another\n")
        eventually(lambda: statuses(KEY) == {401}, timeout_s=3)
    assert "keys_not_read" in service.log()
    assert not [text for text in ("old-key", "new-key", "both-key", KEY) if text in service.log()]


def metrics_of(service: Any) -> str:
    text: str = service.get("/metrics").text
    return text
