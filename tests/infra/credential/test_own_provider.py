# SPDX-License-Identifier: Apache-2.0
"""A provider of the user's own, through the real process."""

import json

from bbox_server.domain.config.provider_section import ProviderSection
from tests.infra.credential.provider import KEY, PLACEHOLDER, provider, proxied

SECTION = ProviderSection(
    base_url="https://models.acme.dev", key="ACME_KEY", header="X-Acme", prefix="Token "
)


async def test_the_key_goes_in_the_header_that_the_config_names() -> None:
    route = SECTION.provider("acme").own_route
    assert route is not None
    async with (
        provider() as port,
        proxied(f"http://127.0.0.1:{port}/base", known=route) as guest,
        guest.session.post(
            "http://gateway/own/acme/chat?x=1",
            data=b"hello",
            headers={"Authorization": "none", "X-Acme": f"Token {PLACEHOLDER}"},
        ) as answer,
    ):
        got = json.loads(await answer.read())
    assert (answer.status, got["method"], got["path"]) == (200, "POST", "/base/chat?x=1")
    headers = {name.lower(): value for name, value in got["headers"]}
    # Echoed, and masked on its way back.
    assert headers["x-acme"] == f"Token {'*' * len(KEY)}"
    assert "authorization" not in headers
