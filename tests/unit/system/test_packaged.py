"""Files that come with monitord are found in the checkout; an installed package: test_wheel.py."""

from __future__ import annotations

from monitord.system.packaged import packaged


def test_recipes_and_the_batch_script_are_there() -> None:
    assert (packaged("recipes") / "node.yaml").is_file()
    assert packaged("slurm/monitord.sbatch").read_text().startswith("#!")
