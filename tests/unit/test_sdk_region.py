"""The SDK's default region: which variable or file names it, as botocore reads them, and the partition it lies in."""

import json
import re
from importlib.resources import files
from pathlib import Path

import boto3
import pytest

from config import ConfigError, partition_of, read_settings
from config.sdk import PARTITIONS

CONFIG = """
[default]
region = eu-north-1
[profile build]
region = us-gov-west-1
[profile 'with a space']
region = sa-east-1
[profile bare]
output = json
[services here]
bedrock =
  endpoint_url = http://127.0.0.1:1
"""

PARTITION_DATA = json.loads(files("botocore").joinpath("data/partitions.json").read_text())["partitions"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a user whose folder holds the SDK's configuration."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


def test_the_variables_come_first_then_the_profile_then_us_east_1(environ: dict[str, str]) -> None:
    assert read_settings(environ | {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}).regions == (
        "eu-west-1",
    )
    assert read_settings(environ | {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}).regions == ("us-west-2",)
    assert read_settings(environ).regions == ("eu-north-1",)
    assert read_settings({}).regions == ("us-east-1",)


def test_named_regions_leave_the_default_region_as_it_is(environ: dict[str, str]) -> None:
    settings = read_settings(environ | {"AWS_BEDROCK_REGIONS": "all", "AWS_PROFILE": "build"})

    assert (settings.regions, settings.aws_region) == (("all",), "us-gov-west-1")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_PROFILE": "build"},
        {"AWS_PROFILE": "with a space"},
        {"AWS_PROFILE": "bare"},
        {"AWS_DEFAULT_PROFILE": "build", "AWS_PROFILE": "bare"},
        {"AWS_CONFIG_FILE": "/nowhere"},
        {"AWS_SHARED_CREDENTIALS_FILE": "~/keys"},
        {"AWS_CONFIG_FILE": "~/other"},
    ],
)
def test_the_profiles_region_is_the_one_that_boto3_finds(
    environ: dict[str, str], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(environ["HOME"])
    (folder / "keys").write_text("[default]\nregion = ap-south-1\naws_access_key_id = x\naws_secret_access_key = x\n")
    (folder / "other").write_text("[default]\nregion = ca-central-1\n")
    for name, value in (environ | variables).items():
        monkeypatch.setenv(name, value)

    assert read_settings(environ | variables).aws_region == (boto3.Session().region_name or "")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no section", b"[default]\n[default]\n", b"[profile 'x]\n"])
def test_a_file_that_cannot_be_read_names_no_region(environ: dict[str, str], content: bytes) -> None:
    Path(environ["HOME"], ".aws", "config").write_bytes(content)

    assert read_settings(environ).aws_region == ""


def test_a_bad_default_region_is_refused_under_the_name_of_its_place(environ: dict[str, str]) -> None:
    Path(environ["HOME"], ".aws", "config").write_text("[default]\nregion = nowhere\n")
    with pytest.raises(ConfigError) as refused:
        read_settings(environ)

    assert str(refused.value) == (
        "region of the AWS profile default must be a region name such as us-east-1, got 'nowhere'"
    )
    assert read_settings(environ | {"AWS_BEDROCK_REGIONS": "eu-west-1"}).regions == ("eu-west-1",)


@pytest.mark.parametrize("partition", PARTITION_DATA, ids=lambda it: str(it["id"]))
def test_a_region_is_in_the_partition_that_the_sdk_says(partition: dict[str, object]) -> None:
    regions = partition["regions"]
    assert isinstance(regions, dict) and regions

    assert {partition_of(name) for name in regions} == {partition["id"]}


def test_every_partition_of_the_sdk_is_known_and_a_new_region_lies_in_the_commercial_one() -> None:
    assert {it["id"] for it in PARTITION_DATA} == {"aws", *PARTITIONS}
    for partition in PARTITION_DATA:
        assert re.match(partition["regionRegex"], "us-east-9") is None or partition["id"] == "aws"
    assert partition_of("us-east-9") == partition_of("") == "aws"
