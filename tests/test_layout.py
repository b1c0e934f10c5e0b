"""The two names at the root are links; the package is one, whole, and light to import."""

import pkgutil
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import llmkit

ROOT = Path(__file__).resolve().parent.parent
LINKS = ("chains", "prompts")
needs_links = pytest.mark.skipif(
    not all((ROOT / name).is_symlink() for name in LINKS), reason="a checkout without symbolic links"
)


def python(program: str, folder: Path, *options: str) -> str:
    """Run a program in a folder with nothing but that folder, and what is installed, on its path."""
    command = [sys.executable, *options, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_links
@pytest.mark.parametrize("name", LINKS)
def test_links_resolve_into_the_package(name):
    assert not Path((ROOT / name).readlink()).is_absolute()
    assert (ROOT / name).resolve() == ROOT / "llmkit" / name


@pytest.mark.slow
@needs_links
@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("first", ["{name}", "llmkit.{name}"])
def test_a_link_gives_the_very_modules_of_the_package(name, first):
    package = f"llmkit.{name}"
    found = pkgutil.walk_packages([str(ROOT / "llmkit" / name)], f"{package}.")
    modules = [module.name.removeprefix(package) for module in found]
    program = (
        f"import importlib; importlib.import_module({first.format(name=name)!r})\n"
        f"for name in {['', *modules]}:\n"
        f"    ours = importlib.import_module('{name}' + name)\n"
        f"    theirs = importlib.import_module('llmkit.{name}' + name)\n"
        f"    assert ours is theirs, name\n"
        f"from {name} import *\n"
        f"import llmkit.{name} as package\n"
        f"assert all(globals()[public] is getattr(package, public) for public in package.__all__)\n"
        f"print('one')\n"
    )
    assert python(program, ROOT) == "one"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of this checkout, built with the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("build")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = (
        tracked.stdout.splitlines() if tracked.returncode == 0 else ["pyproject.toml", "README.md", "LICENSE", "llmkit"]
    )
    for name in names:
        if (ROOT / name).exists():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / "source" / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "source"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_a_wheel_holds_llmkit_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"llmkit", f"llmkit-{llmkit.__version__}.dist-info"}
    inside = {name for name in names if name.startswith("llmkit/")}
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "llmkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == source
    assert {"llmkit/chains/__init__.py", "llmkit/prompts/summarize-dialogue.md", "llmkit/py.typed"} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_an_application_may_have_its_own_prompts_and_chains(wheel, tmp_path):
    """From the built wheel, unpacked beside an application that uses both names for itself."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "prompts.py").write_text("OWN = 'prompts'")
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "__init__.py").write_text("OWN = 'chains'")
    program = (
        "import llmkit, llmkit.prompts, llmkit.chains, prompts, chains\n"
        "print(prompts.OWN, chains.OWN, llmkit.__file__, len(llmkit.prompts.list_prompts()) > 0)"
    )
    assert python(program, tmp_path) == f"prompts chains {tmp_path / 'llmkit' / '__init__.py'} True"


HEAVY = {"torch", "transformers", "sentence_transformers", "bm25s"}


@pytest.mark.parametrize(
    ("package", "heavy"),
    [("llmkit", HEAVY | {"requests", "numpy", "pydantic", "langchain_core"}), ("llmkit.prompts", HEAVY)],
)
def test_what_an_import_does_not_load(tmp_path, package, heavy):
    loaded = python(f"import sys, {package}; print(*sys.modules)", tmp_path).split()
    assert package in loaded
    assert heavy.isdisjoint(loaded)
