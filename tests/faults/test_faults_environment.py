"""Whatever the environment holds: it is obeyed, or the variable is named; never a traceback."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from faults.fake_provider import completion
from faults.tiny_server import Served, proxying, serving
from labeltune.cli.app import app
from labeltune.errors import DiskError, SettingsError
from labeltune.local.store import default_directory
from labeltune.pricing.prices import known_prices, user_file
from labeltune.providers import resolve_provider
from labeltune.providers.environment import certificates, check_headers, proxy_of

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TASK = """version = 1
text = ["text"]

[[field]]
name = "topic"
type = "single"
column = "topic"
labels = ["alpha", "beta"]

[prompt]
system = "Sort."
user = "{text}"

[answer]
format = "label"
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    Path("task.toml").write_text(TASK)
    Path("rows.csv").write_text("text,topic\none,alpha\ntwo,beta\n")


def answered(method: str, _: str) -> object:
    return completion("alpha") if method == "POST" else {"object": "list", "data": [], "has_more": False}


def predict(url: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["predict", "rows.csv", "--model", "m", "--provider", url, *more])


def jobs(url: str = "http://127.0.0.1:9/v1") -> Result:
    return CliRunner().invoke(app, ["jobs", "list", "--provider", url])


def assert_refused(result: Result, *said: str) -> None:
    assert result.exit_code == 2, (result.output, result.exception)
    for part in said:
        assert part in result.stderr
    assert "→" in result.stderr


# ------------------------------------------------------------------------------------------------------ proxies

BAD_PROXIES = [
    "socks://127.0.0.1:7897",
    "socks5://127.0.0.1:7897",
    "socks5h://user:secret-word@127.0.0.1:7897",
    "ftp://127.0.0.1:21",
    "http://",
    "http://127.0.0.1:port",
    "http://127.0.0.1:99999",
    "http://127.0.0.1 :3128",
    "http://127.0.0.1:31\n28",
]


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("value", BAD_PROXIES)
def test_row_101_calls_07_a_proxy_that_cannot_be_used_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        proxy_of("http://api.test/v1")
    assert variable in str(caught.value)
    assert "secret-word" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "NO_PROXY" in (caught.value.hint or "")


@pytest.mark.parametrize("call", [predict, jobs], ids=["predict", "jobs"])
def test_row_101_calls_07_a_socks_proxy_ends_with_2(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:7897")
    assert_refused(
        call("http://127.0.0.1:9/v1"), "ALL_PROXY=socks5://127.0.0.1:7897: a SOCKS proxy is not supported"
    )


def test_row_101_calls_07_a_socks_proxy_for_others_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:7897")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    with serving(answered) as served:
        assert jobs(served.url).exit_code == 0
        assert predict(served.url).exit_code == 0


def test_row_101_calls_07_the_local_provider_needs_no_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:7897")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path / "home"))
    assert jobs("local").exit_code == 0


@pytest.mark.parametrize("spelled", [str.upper, str.lower], ids=["upper", "lower"])
@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_row_101_calls_07_predict_and_the_sdk_take_the_same_proxy(
    variable: str, spelled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answered) as target, proxying(target) as proxy:
        monkeypatch.setenv(spelled(variable), f"http://{proxy.address}\n")
        assert jobs("http://api.test/v1").exit_code == 0
        assert proxy.calls == ["GET http://api.test/v1/fine_tuning/jobs?limit=20"]
        result = predict("http://api.test/v1")
        assert result.exit_code == 0, result.output
        assert proxy.count("POST http://api.test/v1/chat/completions") == 2
        assert len(proxy.calls) == len(target.calls)


@pytest.mark.parametrize("spelled", [str.upper, str.lower], ids=["upper", "lower"])
def test_row_101_calls_07_predict_and_the_sdk_obey_no_proxy(
    spelled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unused(*_: str) -> object:
        raise AssertionError("went by the proxy")

    with serving(answered) as target, serving(unused) as proxy:
        monkeypatch.setenv(spelled("http_proxy"), f"http://{proxy.address}")
        monkeypatch.setenv(spelled("no_proxy"), f"elsewhere.test, {target.address}")
        assert jobs(target.url).exit_code == 0
        assert predict(target.url).exit_code == 0
        assert (proxy.calls, len(target.calls) > 2) == ([], True)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy:3128"}, "https://api.test/v1", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2"}, "https://api.test/v1", "http://b:2"),
        ({"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://b:2"}, "https://api.test/v1", "http://a:1"),
        ({"HTTP_PROXY": "http://a:1", "ALL_PROXY": "http://b:2"}, "https://api.test/v1", "http://b:2"),
        ({"HTTP_PROXY": "socks5://a:1"}, "https://api.test/v1", None),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "*"}, "https://api.test/v1", None),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": ".test"}, "https://api.test/v1", None),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "::1"}, "http://[::1]:8000/v1", None),
        ({"ALL_PROXY": ""}, "https://api.test/v1", None),
    ],
)
def test_row_101_which_proxy_is_taken(
    environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy


# ------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("call", [predict, jobs], ids=["predict", "jobs"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "which does not exist"),
        (b"", "which holds no certificate"),
        (b"a host's name\n", "which holds no certificate"),
        (b"\xff\xfe\x00", "which holds no certificate"),
    ],
    ids=["missing", "empty", "text", "bytes"],
)
def test_row_101_calls_08_a_certificate_file_that_is_none(
    content: bytes | None, said: str, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cacert.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert_refused(
        call("http://127.0.0.1:9/v1"), f"SSL_CERT_FILE names {file}, {said}", "correct or unset it"
    )


@pytest.mark.parametrize("name", [".", "cacert.pem\n"])
def test_row_101_calls_08_a_certificate_file_that_cannot_be_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/{name}")
    assert_refused(jobs(), "SSL_CERT_FILE names ")


@pytest.mark.parametrize(
    ("made", "said"), [(False, "which does not exist"), (True, "which holds no certificate under its hash")]
)
def test_row_101_calls_08_a_certificate_folder_that_is_none(
    made: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "certs"
    if made:
        folder.mkdir()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert_refused(jobs(), f"SSL_CERT_DIR names {folder}, {said}")


def test_certificates_that_are_there_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "0a1b2c3d.0").write_text("")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/nonexistent", str(folder)]))
    assert isinstance(certificates(), ssl.SSLContext)
    monkeypatch.setenv("SSL_CERT_DIR", "")
    assert isinstance(certificates(), ssl.SSLContext)


def test_row_101_a_log_of_secrets_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set for whoever made this file's certificate path valid: `ssl` opens the log itself.
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None:
        pytest.skip("the system has no file of certificates")
    monkeypatch.setenv("SSL_CERT_FILE", paths.cafile)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys.log"))
    assert_refused(jobs(), "SSLKEYLOGFILE names ", "cannot be written")


# ------------------------------------------------------------------------------------------------------ headers


@pytest.mark.parametrize(
    "value", ["org-1\n", "org-1\r", "org\n1", " org-1", "org-\u00e9", "org-\x00".replace("\x00", "\x07")]
)
@pytest.mark.parametrize("variable", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
@pytest.mark.parametrize("call", [predict, jobs], ids=["predict", "jobs"])
def test_row_101_a_header_with_a_line_end_is_named(
    call: Any, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert_refused(call("http://127.0.0.1:9/v1"), f"{variable} holds a line end")


@pytest.mark.parametrize(
    "value", ["X-Team: a\nb", "X-Team", "X Team: a", ": a", "X-Team: \u00e9", "X-Team: a\rb"]
)
def test_row_101_custom_headers_that_are_none_are_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", value)
    assert_refused(jobs(), "OPENAI_CUSTOM_HEADERS holds a line that is no header")


@pytest.mark.parametrize("value", ["", "X-Team: a", "X-Team: a\nX-Other: b: c\n", "X-Empty:"])
def test_custom_headers_that_are_some_are_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", value)
    check_headers()


def test_row_101_a_key_with_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-canary-0123456789\r\n")
    with serving(answered) as served:
        assert jobs(served.url).exit_code == 0
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary\n0123456789")
    result = jobs()
    assert result.exit_code == 4
    assert "OPENAI_API_KEY" in result.stderr
    assert "canary" not in result.output


@pytest.mark.parametrize("value", ["http://127.0.0.1:9\n/v1", "127.0.0.1:9", "http://127.0.0.1:port/v1"])
def test_row_101_a_base_url_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", value)
    assert_refused(jobs("openai"), "OPENAI_BASE_URL=", "is no URL of an API")


def test_a_base_url_with_a_line_end_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1\r\n")
    assert resolve_provider("openai").base_url == "http://127.0.0.1:9/v1"


# -------------------------------------------------------------------------------------------------- no home


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry in the system's list, HOME not set: a container, a service manager."""
    pwd = pytest.importorskip("pwd")

    def unknown(_: object) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LABELTUNE_HOME", "LABELTUNE_PRICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_homeless")
def test_row_101_calls_09_what_needs_no_home_works_without() -> None:
    assert user_file() is None
    assert "linear" in known_prices()
    checked = CliRunner().invoke(app, ["check", "rows.csv"])
    assert checked.exit_code in (0, 11)
    with serving(answered) as served:
        assert predict(served.url).exit_code == 0


@pytest.mark.usefixtures("_homeless")
def test_row_101_calls_09_the_local_provider_asks_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    result = jobs("local")
    assert result.exit_code == 8, result.output
    assert "set LABELTUNE_HOME" in result.stderr
    with pytest.raises(DiskError):
        default_directory()
    monkeypatch.setenv("LABELTUNE_HOME", "home\n")
    assert_refused(jobs("local"), "LABELTUNE_HOME names 'home\\n'")


def test_row_101_settings_of_another_user_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Path.is_file` raises where a folder may not be entered; a file in place of a folder is the like."""
    (tmp_path / "labeltune").write_text("")
    monkeypatch.delenv("LABELTUNE_PRICES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "linear" in known_prices()


# --------------------------------------------------------------------------------------------- the state folder


def _without_room(kind: str, tmp_path: Path) -> Path:
    if kind == "file":
        (tmp_path / "state").write_text("")
        return tmp_path / "state"
    if kind == "below a file":
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "deep" / "state"
    if kind == "proc":
        return Path("/proc/labeltune/state")
    (tmp_path / "locked").mkdir(mode=0o555)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write everywhere")
    return tmp_path / "locked" / ("state" if kind == "read-only above" else "")


@pytest.mark.parametrize("kind", ["file", "below a file", "proc", "read-only", "read-only above"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_row_101_a_state_folder_that_cannot_be_written(
    kind: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _without_room(kind, tmp_path)
    if by == "variable":
        monkeypatch.setenv("LABELTUNE_STATE", str(state))
    result = predict("http://127.0.0.1:9/v1", *(["--state", str(state)] if by == "option" else []))
    assert result.exit_code == 8, (result.output, result.exception)
    assert f"{state}: cannot be written" in result.stderr
    assert "--state DIR or LABELTUNE_STATE" in result.stderr


def _predict_into(served: Served, state: Path, *more: str) -> Result:
    result = predict(served.url, *more)
    assert result.exit_code == 0, result.output
    assert not Path(".labeltune").exists()
    assert list(state.glob("predict-*.db"))
    return result


@pytest.mark.parametrize("by", ["option", "variable"])
def test_row_101_a_state_folder_is_chosen(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "elsewhere" / "state"
    more = ["--state", str(state)] if by == "option" else []
    if by == "variable":
        monkeypatch.setenv("LABELTUNE_STATE", str(state))
    with serving(answered) as served:
        _predict_into(served, state, *more)
        asked = served.count("POST")
        _predict_into(served, state, *more)
        assert served.count("POST") == asked
    shown = CliRunner().invoke(app, ["evaluate", "predictions.csv", "--json", *more])
    assert shown.exit_code == 0, shown.output
    # The journal there is found again: what the predictions cost comes from it.
    assert json.loads(shown.stdout)["cost"] is not None


@pytest.mark.parametrize(
    "argv",
    [
        ["upload", "train.jsonl", "--provider", "local"],
        ["train", "train.jsonl", "--model", "linear", "--provider", "local", "--no-wait"],
        ["baseline", "many.csv", "rows.csv"],
    ],
    ids=["upload", "train", "baseline"],
)
def test_row_101_every_command_that_keeps_state_takes_the_folder(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path / "home"))
    rows = [f"{word} number {number},{word}" for number in range(40) for word in ("alpha", "beta")]
    Path("many.csv").write_text("\n".join(["text,topic", *rows]) + "\n")
    assert CliRunner().invoke(app, ["convert", "many.csv", "-o", "train.jsonl"]).exit_code == 0
    result = CliRunner().invoke(app, [*argv, "--state", "kept"])
    assert result.exit_code == 0, result.output
    assert Path("kept", "ledger.db").exists()
    assert not Path(".labeltune").exists()
