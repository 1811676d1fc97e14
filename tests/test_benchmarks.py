"""The benchmarks run, write what they say, and notice who trained something else. Nothing here looks at a time."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
OURS = ["--contestants", "clearprop,interpreter", "--turn", "0.001", "--rounds", "1"]
PROGRAMS = {
    "train": [*OURS, "--quick", "--only", "digits,online"],
    "random_networks": [*OURS, "--networks", "2", "--seed", "3", "--most-seconds", "0.0001"],
    "compile_time": ["--only", "online", "--rounds", "1"],
    "start": ["--contestants", "fit,clearprop,interpreter", "--rounds", "1"],
    "elementwise": ["--elements", "4096", "--rounds", "1", "--seconds", "0"],
    "gemm": ["--random", "1", "--sizes", "8", "--threads", "1,2", "--orders", "NT", "--seconds", "0"],
}
if hasattr(os, "sched_setaffinity"):
    PROGRAMS["hog"] = ["--only", "digits", "--rounds", "1", "--turn", "0.001"]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the benchmarks are in the repository alone")


@pytest.fixture
def part(monkeypatch):
    """Import a part of the benchmarks."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def run(name, *arguments):
    command = [sys.executable, FOLDER / f"{name}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_runs_and_writes_every_sample_and_the_machine(name, tmp_path):
    done = run(name, *PROGRAMS[name], "--output", tmp_path / "found.json")
    assert done.returncode == 0, done.stdout + done.stderr
    written = sorted(tmp_path.glob("*.json"))
    assert written
    for file in written:
        assert json.loads(file.read_text())["machine"]["processors_usable"] >= 1


def test_a_file_holds_samples_medians_losses_and_versions(tmp_path):
    run("train", *PROGRAMS["train"], "--output", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found["versions"]) == {"clearprop", "interpreter"}
    assert [w["workload"]["name"] for w in found["workloads"]] == ["digits", "online"]
    for workload in found["workloads"]:
        assert set(workload["medians"]) == set(workload["losses"]) == {"clearprop", "interpreter"}
        assert all(t > 0 for samples in workload["samples"].values() for t in samples)
        assert not workload["differing_losses"]
        assert workload["last"]["clearprop"] != workload["losses"]["clearprop"]  # it learns


def test_without_a_library_the_others_run(tmp_path):
    nobody = tmp_path / "python"  # a Python in which nothing is installed
    nobody.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    nobody.chmod(0o755)
    settings = [*PROGRAMS["train"], "--contestants", "clearprop,torch_eager", "--peers", nobody]
    done = run("train", *settings, "--output", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["versions"]) == ["clearprop"]
    assert "torch_eager" in found["missing"]
    assert "without torch_eager" in done.stdout


@pytest.mark.parametrize("loss", [1.0021, 0.9, math.nan, math.inf])
def test_a_loss_that_differs_is_shouted(part, capsys, loss):
    contest, workloads = part("contest"), part("workloads")
    good = contest.Result(workloads.WORKLOADS["digits"], 5, {"clearprop": 1.0, "jax_scan": 1.0004})
    good.last = {"clearprop": 0.5, "jax_scan": 0.5}
    assert contest.verdict([good], 5e-4)
    assert "LOSSES DIFFER" not in capsys.readouterr().err
    bad = contest.Result(workloads.WORKLOADS["digits"], 5, {"clearprop": 1.0, "jax_scan": loss})
    assert not contest.verdict([good, bad], 5e-4)
    assert "LOSSES DIFFER: digits" in capsys.readouterr().err
    late = contest.Result(
        workloads.WORKLOADS["digits"], 5, dict(good.losses), {"clearprop": 0.5, "jax_scan": loss}
    )
    assert not contest.verdict([late], 5e-4)
    own = contest.Result(workloads.WORKLOADS["digits"], 5, {"clearprop": math.nan, "jax_scan": 1.0})
    assert not contest.verdict([own], 5e-4)


def test_only_other_libraries_are_the_fastest_peer(part):
    result = part("contest").Result(part("workloads").WORKLOADS["digits"], 5)
    result.samples = {
        "clearprop": [2.0, 4.0],
        "prototype": [1.0],
        "jax_scan": [9.0, 3.0],
        "torch_eager": [12.0],
    }
    assert result.fastest_peer == "jax_scan"
    assert result.ratio("jax_scan") == 2
    assert result.ratio("prototype") == 1 / 3


def test_in_each_round_each_has_one_turn(part):
    order = []
    turns = {name: lambda name=name: order.append(name) for name in "abc"}
    given = part("timing").rounds(turns, least=4)
    assert {name: len(each) for name, each in given.items()} == {"a": 4, "b": 4, "c": 4}
    assert "".join(order) == "abcbcacababc"


def test_random_networks_are_a_seeds_and_cover_what_they_say(part):
    draw = part("random_networks").draw
    first, second = ([draw(rng, "x") for _ in range(300)] for rng in map(np.random.default_rng, (5, 5)))
    assert first == second
    assert {len(w.sizes) - 1 for w in first} == {1, 2, 3, 4, 5}
    assert {w.loss for w in first} == {"cross_entropy", "mean_squared", "hinge"}
    widths = [n for w in first for n in w.sizes]
    assert 2 <= min(widths) < 5 < 1500 < max(widths) <= 3000
    assert 1 <= min(w.batch for w in first) < 3 < 500 < max(w.batch for w in first) <= 1000
    assert np.median(widths) < 200  # log-uniform


def test_a_task_is_read_as_it_was_written(part, tmp_path):
    workloads = part("workloads")
    task = workloads.make(workloads.WORKLOADS["digits"], 100)
    task.save(tmp_path)
    read = workloads.load(tmp_path)
    assert read.workload == task.workload
    for name in ("x", "y", "order"):
        np.testing.assert_array_equal(getattr(read, name), getattr(task, name))
    assert task.order.shape == (100, 32)
    assert len(np.unique(task.order[:56])) == 56 * 32  # an epoch has each row once
