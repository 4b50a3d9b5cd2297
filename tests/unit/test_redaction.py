"""What is taken out of AWS's texts before they are logged."""

import base64
import json
from urllib.parse import quote

import pytest

from app.telemetry.redaction import MAX_CHARS, redacted

# As STS and Bedrock make them; none of them is real.
SESSION_TOKEN = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQDx" + "Rk9vQmFy+QUX/aBc9" * 20 + "=="
OLD_SESSION_TOKEN = "FwoGZXIvYXdzEBYaDK" + "x0Zm9vYmFyYmF6L3F1+" * 15 + "="
BEDROCK_KEY = "ABSK" + base64.b64encode(b"BedrockAPIKey-abcd-at-112233445566:" + b"k3y" * 16).decode()
SHORT_BEDROCK_KEY = "bedrock-api-key-" + base64.b64encode(b"bedrock.amazonaws.com/?Action=CallWithBearerToken").decode()
WEB_IDENTITY = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (json.dumps({"alg": "RS256"}).encode(), json.dumps({"sub": "ci", "aud": "sts"}).encode(), b"signed" * 9)
)
SECRETS = {
    "an account id": "112233445566",
    "an account id with dashes": "1122-3344-5566",
    "a role": "arn:aws:iam::112233445566:role/path/Reader",
    "a session in China": "arn:aws-cn:sts::112233445566:assumed-role/Reader/someone@example.com",
    "an access key id": "AKIAIOSFODNN7EXAMPLE",
    "a temporary access key id": "ASIAIOSFODNN7EXAMPLE",
    "a role's unique id": "AROAIOSFODNN7EXAMPLE",
    "a user's unique id": "AIDAIOSFODNN7EXAMPLE",
    "a secret access key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "a session token": SESSION_TOKEN,
    "an old session token": OLD_SESSION_TOKEN,
    "a session token in a URL": quote(SESSION_TOKEN, safe=""),
    "a signature": "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    "a Bedrock API key": BEDROCK_KEY,
    "a short-term Bedrock API key": SHORT_BEDROCK_KEY,
    "a web identity token": WEB_IDENTITY,
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("text", ["{}", "({})", "'{}', {}", "X-Amz-Security-Token={}&X-Amz-Expires=1", "token:{}."])
def test_a_secret_is_redacted_wherever_it_stands(name: str, text: str) -> None:
    secret = SECRETS[name]

    clean = redacted(text.replace("{}", secret))

    assert "[redacted]" in clean
    # Nor a part of it that says anything.
    assert not any(secret[start : start + 8] in clean for start in range(len(secret) - 7))


@pytest.mark.parametrize(
    "text",
    [
        "The security token included in the request is invalid.",
        "You don't have access to the model with the specified model ID anthropic.claude-opus-4-5-20251101-v1:0.",
        "is not authorized to perform: bedrock:ListInferenceProfiles because no identity-based policy allows it",
        "Could not connect to the endpoint URL: https://bedrock.ap-southeast-2.amazonaws.com/foundation-models",
        "UnrecognizedClientException (request id 0a1b2c3d-1111-2222-3333-44445555666f)",
        "No such file: /var/lib/bedrock-model-catalog/snapshot.json",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_text_is_cut_after_it_is_redacted() -> None:
    text = redacted("x " * 140 + SESSION_TOKEN + "y " * 200)

    assert len(text) == MAX_CHARS
    assert "IQoJ" not in text
