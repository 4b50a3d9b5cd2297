"""What lists offer, a gateway in Bedrock takes: recorded rules of which id can be called where."""

from pathlib import Path

import anthropic
import httpx2 as httpx
import pytest

from tests.support.bedrock_standin import BedrockStandin, Region, model_row, profile_row
from tests.support.builders import KEY
from tests.support.gateway_stub import CALLABLE, PARTS, GatewayStub, running_gateway
from tests.support.nginx_checks import MODELS
from tests.support.nginx_server import Nginx, running_nginx
from tests.support.servers import running_service


def recorded(region: str) -> Region:
    """The region as Bedrock lists it."""
    models = CALLABLE[region]
    return Region(
        models=[
            model_row(model_id, inferenceTypesSupported=["ON_DEMAND" if on_demand else "INFERENCE_PROFILE"])
            for model_id, (on_demand, _) in models.items()
        ],
        profiles=[profile_row(profile, model_id) for model_id, (_, all_of) in models.items() for profile in all_of],
    )


def invoked(nginx: Nginx, model_id: str) -> httpx.Response:
    question = {"model": model_id, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(f"{nginx.url}/anthropic/v1/messages", json=question, headers={"x-api-key": KEY})


@pytest.mark.parametrize("region", CALLABLE)
def test_each_region_takes_the_ids_that_the_catalog_names_for_it(tmp_path: Path, region: str) -> None:
    where = tmp_path / "gunicorn.sock"
    with BedrockStandin(CALLABLE) as standin:
        standin.regions |= {name: recorded(name) for name in CALLABLE}
        with (
            running_service(tmp_path, socket=where, **standin.environ),  # type: ignore[arg-type]
            running_gateway(GatewayStub(region=region)) as gateway,
            running_nginx(tmp_path / "nginx", where, gateway_port=gateway.port) as nginx,
        ):
            listed = nginx.get(f"{MODELS}?limit=1000").json()["data"]
            to_send = [model["aws_bedrock"]["invoke"][region] for model in listed]
            answers = {model_id: invoked(nginx, model_id) for model_id in to_send}
            with (
                anthropic.Anthropic(api_key=KEY, base_url=f"{nginx.url}/anthropic", max_retries=0) as claude,
                pytest.raises(anthropic.BadRequestError, match="with on-demand throughput isn't supported"),
            ):
                claude.messages.create(
                    model="anthropic.claude-haiku-4-5-20251001-v1:0",
                    max_tokens=9,
                    messages=[{"role": "user", "content": "Hello"}],
                )

    assert {model["id"] for model in listed} == set(CALLABLE[region])
    assert {model_id: answer.status_code for model_id, answer in answers.items()} == dict.fromkeys(to_send, 200)
    assert {answer.json()["content"][0]["text"] for answer in answers.values()} == {"".join(PARTS)}
