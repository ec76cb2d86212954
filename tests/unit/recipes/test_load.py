"""Which recipes are in force."""

from pathlib import Path

import pytest

from monitord.errors import InvalidFileError, InvalidInputError
from monitord.recipes.load import load_recipes, packaged_folder, select_recipes


def write(folder: Path, name: str, kpi: str, file: str = "") -> None:
    keys = f"name: {kpi}, help: h, unit: u, kind: gauge, metric: m, stats: [max]"
    text = f"name: {name}\nhelp: h\nkpis:\n  - {{{keys}}}\n"
    (folder / (file or f"{name}.yaml")).write_text(text)


def test_the_packaged_recipes_give_the_default_kpis() -> None:
    always = [recipe for recipe in load_recipes() if recipe.applies == "always"]
    kpis = {kpi.name: kpi for recipe in always for kpi in recipe.kpis}
    assert {(k.name, k.metric, k.unit, k.stats) for k in kpis.values()} == {
        ("throughput", "http_requests_total", "requests/s", ("mean", "min", "max")),
        ("latency", "http_server_request_duration_seconds", "ms", ("mean", "p50", "p95", "p99")),
        ("cpu_util", "node_cpu_seconds_total", "%", ("mean", "max")),
        ("gpu_util", "DCGM_FI_DEV_GPU_UTIL", "%", ("mean", "max")),
    }
    assert kpis["latency"].scale == 1000
    assert kpis["gpu_util"].by == ("client", "service", "node", "gpu")


def test_a_session_adds_recipes_and_replaces_packaged_ones_by_name(tmp_path: Path) -> None:
    write(tmp_path, "gpu", "my_gpu")
    write(tmp_path, "disk", "disk_busy")
    write(tmp_path, "broken", "x y", ".hidden.yaml")
    recipes = {recipe.name: recipe for recipe in load_recipes(tmp_path)}
    assert set(recipes) == {"disk", *(recipe.name for recipe in load_recipes())}
    assert recipes["gpu"].kpis[0].name == "my_gpu"
    assert load_recipes(tmp_path / "none") == load_recipes()


def test_one_kpi_belongs_to_one_recipe(tmp_path: Path) -> None:
    write(tmp_path, "mine", "latency")
    with pytest.raises(InvalidInputError, match="KPI latency is in the recipes http and mine"):
        load_recipes(tmp_path)


def test_one_name_belongs_to_one_file(tmp_path: Path) -> None:
    write(tmp_path, "mine", "a")
    write(tmp_path, "mine", "b", "other.yml")
    with pytest.raises(InvalidInputError, match=r"other\.yml: there is another recipe mine"):
        load_recipes(tmp_path)


def test_an_invalid_recipe_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    with pytest.raises(InvalidFileError, match=r"bad\.yaml:1:"):
        load_recipes(tmp_path)


def test_selecting_by_name() -> None:
    recipes = load_recipes()
    assert select_recipes(recipes, ()) == recipes
    assert [recipe.name for recipe in select_recipes(recipes, ("node", "http", "node"))] == [
        "node",
        "http",
    ]
    with pytest.raises(InvalidInputError, match="no recipe htpp; did you mean http"):
        select_recipes(recipes, ("htpp",))


def test_a_packaged_recipe_lies_in_the_file_of_its_name() -> None:
    """Artifacts hold the files of the recipes in force, found by that."""
    assert {file.stem for file in packaged_folder().iterdir()} == {recipe.name for recipe in load_recipes()}
