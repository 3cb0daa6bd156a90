"""Shares the machine's cores among tests that run side by side under pytest-xdist.

A test holds one core while it runs, its fixtures included. `@pytest.mark.cores(n)` takes n cores (at most those that there are);
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
    "test_began_steps.py": ["test_three_steps"],
    "test_bad_images.py": ["test_more_than_one_in_a_hundred_ends_with_one_message"],
    "test_classify.py": ["test_measures_are_those_of_scikit_learn"],
    "test_cli.py": ["test_the_dry_run_shows_the_plan_and_makes_nothing", "test_the_resolved_config_can_be_run_again_as_it_is"],
    "test_dbn.py": ["test_training_goes_through_all_stages", "test_any_number_of_ranks_trains_the_same_bits"],
    "test_dbn_steps.py": ["test_machines_learn_as_in_numpy", "test_fine_tuning_is_back_propagation"],
    "test_docs.py": ["test_config_md_is_current", "test_every_exit_code_is_documented"],
    "test_ebm.py": ["test_a_resume_on_more_ranks_goes_on_to_the_bit"],
    "test_ebm_steps.py": ["test_three_steps"],
    "test_energy.py": ["test_energies_are_those_of_pytorch"],
    "test_evaluate_command.py": ["test_training_and_the_command_measure_the_same"],
    "test_faults.py": ["test_divergence_ends_with_the_state_before_it"],
    "test_hinge_steps.py": ["test_steps_of_magan"],
    "test_magan.py": ["test_margins_follow_from_the_three_conditions"],
    "test_preflight.py": ["test_a_plan_of_a_resume"],
    "test_report.py": ["test_a_page_of_a_real_run_loads_alone"],
    "test_restore.py": ["test_methods_follow_model_and_damage"],
    "test_resume.py": ["test_half_and_the_rest_is_the_whole", "test_a_signal_to_one_rank_stops_all"],
    "test_safetensors.py": ["test_every_tensor_survives_both_readers"],
    "test_sample.py": ["test_the_grid_is_that_of_training"],
    "test_shards.py": ["test_killed_builds_resume_to_the_same_bytes"],
}

# The longest files, longest first: started early, they leave no worker alone at the end. Times of a run with three workers on two
# cores: 150 s to 60 s.
LONGEST = ["test_readme.py", "test_fake_cuda.py", "test_mistakes.py", "test_launchers.py", "test_slurm.py", "test_resume.py",
           "test_doctor.py", "test_bench.py", "test_surroundings.py", "test_bundle.py", "test_evaluate_command.py", "test_faults.py",
           "test_cli.py", "test_restore.py", "test_energy.py", "test_build.py", "test_images.py", "test_gpu_script.py",
           "test_fake_cuda_failures.py"]

CORES = len(os.sched_getaffinity(0))
FOLDER = "VALLEY_TEST_CORES"  # environment: the folder of lock files, one per core


def pytest_configure(config):
    config.addinivalue_line("markers", "cores(n): cores that the test takes: a number, or \"all\"; default 1")
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
    """Waits until one of the files that stand for cores is free, and returns it locked. Closing it frees the core. Python's files
    are not inherited, so that no child process holds it."""
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
    """Waits until `cores` cores are free and holds them. A test that waits holds the gate, so that tests get their cores in the
    order in which they asked, and one that wants all is not overtaken for ever."""
    with contextlib.ExitStack() as held:
        if cores > 0:
            with locked(folder / "gate"):
                for _ in range(cores):
                    held.enter_context(take_core(folder))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if FOLDER not in os.environ:  # without xdist nothing runs beside it
        return (yield)
    with holding(declared_cores(item), pathlib.Path(os.environ[FOLDER])):
        return (yield)
