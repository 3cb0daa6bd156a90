"""Reported speeds exclude the work between the steps."""

import statistics

import pytest
from program import reports


@pytest.mark.cores("all")
def test_training_speed_excludes_sample_grids(program):
    every = 5
    run = program.trained(None, "train.steps=30", f"samples.every={every}", "samples.grid=24x24")
    rates = {line["step"]: line["images_per_s"] for line in reports(run)[1:]}  # the first step warms up
    after = [rate for step, rate in rates.items() if step % every == 1]
    others = [rate for step, rate in rates.items() if step % every != 1]
    # A grid takes as long as several of these steps.
    assert statistics.median(after) > 0.4 * statistics.median(others), rates
