"""The built wheel is complete: what an installed monitord needs beside its code is in it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel, as pip would install them; nothing is downloaded."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("no hatchling; `make setup` installs it")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_recipe_and_the_type_marker_are_packaged(installed: Path) -> None:
    recipes = {path.name for path in (CHECKOUT / "etc" / "recipes").iterdir()}
    assert recipes
    assert {path.name for path in (installed / "monitord" / "etc" / "recipes").iterdir()} == recipes
    assert (installed / "monitord" / "py.typed").exists()
    script = installed / "monitord" / "etc" / "slurm" / "monitord.sbatch"
    assert script.read_bytes() == (CHECKOUT / "slurm" / "monitord.sbatch").read_bytes()
    assert not (installed / "tests").exists()


def test_an_installed_monitord_reads_its_own_recipes(installed: Path) -> None:
    script = (
        "from monitord.recipes import load; "
        "print(load.packaged_folder()); print(*(recipe.name for recipe in load.load_recipes()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=installed.parent, env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder, names = done.stdout.splitlines()
    assert Path(folder) == installed / "monitord" / "etc" / "recipes"
    assert {"gpu", "http", "node"} <= set(names.split())
