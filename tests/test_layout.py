"""`chains` and `prompts` are links into the package; the wheel is complete, and imports are light."""

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


def run_python(program: str, folder: Path, *options: str) -> str:
    """Run a program with only a folder and the installed packages on its path."""
    command = [sys.executable, *options, "-c", program]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@needs_links
@pytest.mark.parametrize("name", LINKS)
def test_links_resolve_into_the_package(name):
    assert not Path((ROOT / name).readlink()).is_absolute()
    assert (ROOT / name).resolve() == ROOT / "llmkit" / name


@pytest.mark.slow
@needs_links
@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("first", ["{name}", "llmkit.{name}"])
def test_importing_through_a_link_gives_the_same_modules(name, first):
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
    assert run_python(program, ROOT) == "one"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build a wheel of this checkout with the installed setuptools."""
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
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_a_wheel_contains_only_llmkit(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"llmkit", f"llmkit-{llmkit.__version__}.dist-info"}
    packaged = {name for name in names if name.startswith("llmkit/")}
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "llmkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packaged == source
    assert {"llmkit/chains/__init__.py", "llmkit/prompts/summarize-dialogue.md", "llmkit/py.typed"} <= packaged
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_an_application_can_have_modules_named_prompts_and_chains(wheel, tmp_path):
    """Unpack the wheel beside an application that has modules of both names."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "prompts.py").write_text("OWN = 'prompts'")
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "__init__.py").write_text("OWN = 'chains'")
    program = (
        "import llmkit, llmkit.prompts, llmkit.chains, prompts, chains\n"
        "print(prompts.OWN, chains.OWN, llmkit.__file__, len(llmkit.prompts.list_prompts()) > 0)"
    )
    assert run_python(program, tmp_path) == f"prompts chains {tmp_path / 'llmkit' / '__init__.py'} True"


HEAVY = {"torch", "transformers", "sentence_transformers", "bm25s"}


@pytest.mark.parametrize(
    ("package", "heavy"),
    [("llmkit", HEAVY | {"requests", "numpy", "pydantic", "langchain_core"}), ("llmkit.prompts", HEAVY)],
)
def test_importing_a_package_loads_no_heavy_library(tmp_path, package, heavy):
    loaded = run_python(f"import sys, {package}; print(*sys.modules)", tmp_path).split()
    assert package in loaded
    assert heavy.isdisjoint(loaded)
