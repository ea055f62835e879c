"""The innocent zoo: 10,000 runs with no grace and two of each with a late releaser, and not one error."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import pytest

PROGRAM = Path(__file__).parent / "innocents.py"
NAMES = re.findall(r"^@innocent\ndef (\w+)", PROGRAM.read_text(), re.MULTILINE)
RUNS = int(os.environ.get("RADDLE_INNOCENT_RUNS", "10000"))
AT_ONCE = 4
MACHINE_TOO_SLOW = 75


def command(runtime, *args):
    """The command line of one run of the zoo."""
    return [sys.executable, str(PROGRAM), runtime, *args]


def run_each(runtime, *args, timeout=60, **env):
    """Runs every innocent in a process of its own, some at a time; gives name -> result (None: no end in time).

    A run that the machine held up until the grace was over says nothing and is repeated.
    """

    def one(name):
        for _ in range(5):
            done = attempt(name)
            if done is None or done.returncode != MACHINE_TOO_SLOW:
                break
        return done

    def attempt(name):
        argv = command(runtime, "--only", name, *args)
        try:
            env_of_child = harness.environment(**env)
            return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=timeout, env=env_of_child)
        except subprocess.TimeoutExpired:
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(NAMES, pool.map(one, NAMES), strict=True))


def failures(results):
    """The output of those that did not end well."""
    text = {name: done and f"exit {done.returncode}\n{done.stdout}{done.stderr}" for name, done in results.items()}
    return [f"{name}: {text[name]}" for name, done in results.items() if done is None or done.returncode]


def test_the_zoo_is_complete():
    """The list that the targets give is here; a name that went missing would be an innocent not tried."""
    assert len(NAMES) == len(set(NAMES)) >= 20, NAMES


@pytest.mark.limit(300)
def test_no_raise_with_no_grace(runtime):
    """Every cycle is judged the moment it stands; the releaser comes right after."""
    done = harness.run(command(runtime, "--runs", str(RUNS)), timeout=280)
    assert done.code == 0, str(done)
    assert "0 raises" in done.out


@pytest.mark.limit(120)
def test_no_raise_when_the_releaser_is_late(runtime):
    """Default grace, releaser after a second: a report is allowed, an error is not."""
    assert not failures(run_each(runtime, "--runs", "2", "--late", "1"))


@pytest.mark.limit(120)
def test_no_verdict_when_the_releaser_comes_within_the_grace(runtime):
    """Default grace, releaser after 50 ms: nothing is told at all."""
    results = run_each(runtime, "--runs", "2", "--late", "0.05", "--quiet")
    assert not failures(results)
    told = [f"{name}: {done.stderr}" for name, done in results.items() if re.search(r"\[RD\d+\]", done.stderr)]
    assert not told


@pytest.mark.skipif("raddle" not in harness.RUNTIMES, reason="RADDLE_TESTS leaves raddle out")
@pytest.mark.limit(300)
def test_innocents_notice_a_runtime_that_raises_for_any_cycle():
    """With the policy broken on purpose, at least five innocents fail: the zoo can tell."""
    results = run_each("raddle", "--runs", "20", timeout=40, RADDLE_FAULT="any-cycle-raises")
    caught = [name for name, done in results.items() if done is not None and "DeadlockError" in done.stderr]
    assert len(caught) >= 5, f"only {caught} noticed"
