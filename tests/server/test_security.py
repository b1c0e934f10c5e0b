"""Who may use the server: pages of other sites, other names of this machine, and clients without the key may not."""

import pytest

from llmkit.errors import InputError
from tests.support.api_server import api_server, tiny_chat

PAGE = "http://localhost:3000"
KEY = "k-1"


@pytest.fixture(scope="module")
def guarded():
    with api_server(tiny_chat(), api_key=KEY, allow_origin=(PAGE,)) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "[::"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/nothing"])
def test_other_sites_and_other_names_are_refused(server, headers, path):
    answer = server.http.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "permission_error"
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_servers_own_pages_may_use_it(server, host):
    name = f"{host}:{server.port}"
    answer = server.http.get("/v1/models", headers={"Host": name, "Origin": f"http://{name}"})
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("value", [None, "Bearer", "Bearer k-2", f"Basic {KEY}", "Bearer k-ü".encode()])
def test_the_key_is_needed(guarded, value):
    headers = {} if value is None else {"Authorization": value}
    answer = guarded.http.get("/v1/models", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert KEY not in answer.text
    assert guarded.http.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert guarded.http.get("/health").status_code == 200


def test_scripts_of_allowed_pages_may_read_answers(guarded):
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = guarded.http.options("/v1/chat/completions", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    answer = guarded.http.get("/v1/models", headers={"Origin": PAGE, "Authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    refused = guarded.http.options("/v1/models", headers={**asked, "Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "give an api_key"),
        ({"host": "example.com"}, "give an api_key"),
        ({"api_key": ""}, "api_key must be"),
        ({"allow_origin": ("*",)}, "cannot be an allowed origin"),
        ({"allow_origin": ("https://example.com/",)}, "cannot be an allowed origin"),
        ({"port": 70000}, "between 0 and 65535"),
        ({"max_running": 0}, "at least 1"),
        ({"request_timeout": 0}, "more than 0"),
    ],
)
def test_unsafe_settings_are_errors(settings, message):
    from llmkit.server.settings import ServerSettings

    with pytest.raises(InputError, match=message):
        ServerSettings(**settings)


def test_a_port_that_is_taken_is_an_error(server):
    from llmkit.server.run import listen
    from llmkit.server.settings import ServerSettings

    with pytest.raises(InputError, match=rf"port {server.port} of 127\.0\.0\.1 cannot be used"):
        listen(ServerSettings(port=server.port))


def test_the_address_of_a_server_for_all_machines_is_one_that_a_browser_opens():
    from llmkit.server.run import address_of, listen
    from llmkit.server.settings import ServerSettings

    with listen(ServerSettings(host="0.0.0.0", port=0, api_key=KEY)) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
