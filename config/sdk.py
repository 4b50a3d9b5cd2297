"""The AWS SDK's default region, as its own variables and files give it, and the partition that a region lies in.

Serving processes need both, and boto3 must stay out of them.
"""

import configparser
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Source: `regionRegex` in botocore's partitions.json. What none of them matches is in the commercial partition.
PARTITIONS = {
    "aws-cn": r"cn-\w+-\d+|aws-cn-global",
    "aws-eusc": r"eusc-\w+-\w+-\d+",
    "aws-iso": r"us-iso-\w+-\d+|aws-iso-global",
    "aws-iso-b": r"us-isob-\w+-\d+|aws-iso-b-global",
    "aws-iso-e": r"eu-isoe-\w+-\d+|aws-iso-e-global",
    "aws-iso-f": r"us-isof-\w+-\d+|aws-iso-f-global",
    "aws-us-gov": r"us-gov-\w+-\d+|aws-us-gov-global",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRegion:
    """A default region, and the variable or the profile that names it."""

    name: str
    source: str


def sdk_region(environ: Mapping[str, str]) -> SdkRegion | None:
    """The region of `AWS_REGION`, else of `AWS_DEFAULT_REGION`, else of the profile in the SDK's files.

    Files that cannot be read name no region: the SDK, which reads them too, reports what is wrong with them.
    """
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if region := environ.get(name, "").strip():
            return SdkRegion(name=region, source=name)
    # Source: botocore's configprovider.py and session.py; the credentials file, which is read last, wins.
    profile = environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"
    for variable, default in (
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        ("AWS_CONFIG_FILE", "~/.aws/config"),
    ):
        sections = _sections(environ.get(variable) or default, environ.get("HOME", ""))
        for title, values in sections.items():
            if _profile_name(title, is_config=variable == "AWS_CONFIG_FILE") == profile and values.get("region"):
                return SdkRegion(name=values["region"].strip(), source=f"region of the AWS profile {profile}")
    return None


def partition_of(region: str) -> str:
    """The partition of a region, `aws` for a name that no other partition's regions have."""
    matches = (partition for partition, pattern in PARTITIONS.items() if re.fullmatch(pattern, region))
    return next(matches, "aws")


def _sections(path: str, home: str) -> dict[str, Mapping[str, str]]:
    if path.startswith("~/"):
        if not home:
            return {}
        path = home + path[1:]
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    return {title: parser[title] for title in parser.sections()}


def _profile_name(title: str, *, is_config: bool) -> str | None:
    """The profile of a section: in the configuration file `[default]` or `[profile name]`, else its title."""
    if not is_config or title == "default":
        return title
    try:
        words = shlex.split(title)
    except ValueError:
        return None
    return words[1] if len(words) == 2 and words[0] == "profile" else None
