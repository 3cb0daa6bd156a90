"""Distributes the CPU cores among tests that run in parallel under pytest-xdist.

A test holds one core while it runs, its fixtures included. `@pytest.mark.cores(n)` takes n cores (at most all);
`@pytest.mark.cores("all")` runs alone, for tests that measure time; `@pytest.mark.cores(0)` takes none, for tests that mostly wait.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import time

import pytest

# The whole-program tests of tests/run.sh --quick: a few seconds per topic. A test can also be marked `quick`.
QUICK = {
    "test_began_steps.py": ["test_three_steps_match_reference"],
    "test_bad_images.py": ["test_build_with_over_one_percent_rejects_fails_with_one_message"],
    "test_classify.py": ["test_classification_metrics_match_scikit_learn"],
    "test_cli.py": ["test_dry_run_prints_plan_and_creates_nothing", "test_resolved_config_loads_unchanged"],
    "test_dbn.py": ["test_training_runs_all_stages", "test_training_is_bitwise_equal_on_any_number_of_ranks"],
    "test_dbn_steps.py": ["test_rbm_training_matches_numpy", "test_fine_tuning_matches_back_propagation"],
    "test_docs.py": ["test_config_md_is_current", "test_every_exit_code_is_documented"],
    "test_ebm.py": ["test_resume_on_more_ranks_is_bitwise_equal"],
    "test_ebm_steps.py": ["test_three_steps_match_reference"],
    "test_energy.py": ["test_energies_match_pytorch"],
    "test_evaluate_command.py": ["test_evaluate_command_equals_evaluation_during_training"],
    "test_faults.py": ["test_divergence_saves_the_last_finite_state"],
    "test_hinge_steps.py": ["test_steps_of_magan_match_reference"],
    "test_magan.py": ["test_margins_follow_from_the_three_conditions"],
    "test_preflight.py": ["test_dry_run_reports_the_resume"],
    "test_report.py": ["test_report_page_loads_without_other_files"],
    "test_restore.py": ["test_methods_follow_model_and_damage"],
    "test_resume.py": ["test_resume_is_bitwise_equal_to_uninterrupted_training", "test_signal_to_one_rank_stops_all"],
    "test_safetensors.py": ["test_every_tensor_round_trips_through_both_readers"],
    "test_sample.py": ["test_sample_grid_equals_the_grid_of_training"],
    "test_shards.py": ["test_killed_builds_resume_bitwise_equal"],
}

# The slowest files in descending order, which run first so that workers finish at about the same time. Times with three workers
# on two cores: 150 s to 60 s.
LONGEST = ["test_readme.py", "test_fake_cuda.py", "test_mistakes.py", "test_launchers.py", "test_slurm.py", "test_resume.py",
           "test_doctor.py", "test_bench.py", "test_surroundings.py", "test_bundle.py", "test_evaluate_command.py", "test_faults.py",
           "test_cli.py", "test_restore.py", "test_energy.py", "test_build.py", "test_images.py", "test_gpu_script.py",
           "test_fake_cuda_failures.py"]

CORES = len(os.sched_getaffinity(0))
FOLDER = "VALLEY_TEST_CORES"  # environment: the folder of lock files, one per core


def pytest_configure(config):
    config.addinivalue_line("markers", "cores(n): cores that the test needs: a number, or \"all\"; default 1")
    config.addinivalue_line("markers", "quick: part of tests/run.sh --quick")
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="valley-cores-")
        os.environ[FOLDER] = folder  # which the workers inherit
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))  # stable: within a file the order stays
    for item in items:
        if item.originalname in QUICK.get(item.path.name, ()):
            item.add_marker("quick")


def declared_cores(item):
    mark = item.get_closest_marker("cores")
    wanted = mark.args[0] if mark else 1
    return CORES if wanted == "all" else min(wanted, CORES)


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def take_core(folder):
    """Waits until one of the lock files of cores is free, and returns it locked. Closing it frees the core. Child processes do not
    inherit files of Python."""
    while True:
        for core in range(CORES):
            file = open(folder / str(core), "w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                file.close()
        time.sleep(0.01)


@contextlib.contextmanager
def holding(cores, folder):
    """Waits until `cores` cores are free and holds them. A waiting test holds the gate, so that tests get cores in the order of
    their requests, and a test that needs all cores is not starved."""
    with contextlib.ExitStack() as held:
        if cores > 0:
            with locked(folder / "gate"):
                for _ in range(cores):
                    held.enter_context(take_core(folder))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if FOLDER not in os.environ:  # without xdist tests run one by one
        return (yield)
    with holding(declared_cores(item), pathlib.Path(os.environ[FOLDER])):
        return (yield)
