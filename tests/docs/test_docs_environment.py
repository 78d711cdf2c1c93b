"""Every environment variable that is read is documented, and what is documented is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "environment.md"
SOURCE = ROOT / "src" / "labeltune"

BY_LIBRARIES = {
    "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",  # urllib.request.getproxies
    "OPENAI_LOG",  # openai
    "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",  # platformdirs
    "TMPDIR",  # tempfile
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",  # pyarrow
    "AWS_ENDPOINT_URL", "GOOGLE_APPLICATION_CREDENTIALS",  # pyarrow
    "COLUMNS",  # rich
    "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH",  # ray
    "HF_HOME", "HF_TOKEN",  # huggingface_hub
}  # fmt: skip
"""What others read for us, and a user has reason to set."""

NAMED_ELSEWHERE = {
    ("files/parts/object_store.py", "variable"),
    ("distributed/cluster.py", "name"),
    ("providers/profiles.py", "self.key_variable"),
    ("providers/profiles.py", "variable"),
    ("providers/environment.py", "name"),
    ("providers/environment.py", "CUSTOM_HEADERS"),
    ("providers/environment.py", "other"),
    ("providers/diagnosis.py", "provider.key_variable"),
    ("providers/diagnosis.py", "name"),
    ("providers/diagnosis.py", "named[0]"),
}
"""Reads whose variable is a constant of the same module: those are found by how they are spelled."""

SPELLED = re.compile(r"(OPENAI|AZURE_OPENAI|NEBIUS|LABELTUNE|SSL|GITHUB)_[A-Z_]+")


def trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield str(path.relative_to(SOURCE).as_posix()), ast.parse(Path(path).read_text(encoding="utf-8"))


def reads(tree: ast.AST) -> Iterator[ast.expr]:
    """The names that are looked up in the environment, as expressions."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=name):
                yield name
            case ast.Call(
                func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ")), args=[name, *_]
            ):
                yield name
            case ast.Call(func=ast.Attribute(attr="getenv"), args=[name, *_]):
                yield name
            case ast.keyword(arg="envvar", value=name):
                yield name


def spelled(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SPELLED.fullmatch(node.value):
            yield node.value


def documented() -> list[str]:
    return re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_row_101_every_variable_that_is_read_is_documented() -> None:
    found = set(BY_LIBRARIES)
    computed = set()
    for name, tree in trees():
        found |= set(spelled(tree))
        for read in reads(tree):
            if isinstance(read, ast.Constant):
                found.add(str(read.value))
            else:
                computed.add((name, ast.unparse(read)))
    assert computed == NAMED_ELSEWHERE
    assert sorted(documented()) == sorted(found)


def test_the_reads_of_a_module_are_found() -> None:
    source = (
        "import os\nos.environ['A']\nos.environ.get('B', '')\nos.getenv('C')\nOption(envvar='D')\nd.get('E')"
    )
    assert {ast.literal_eval(name) for name in reads(ast.parse(source))} == {"A", "B", "C", "D"}
