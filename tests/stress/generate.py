"""Runs random small programs on a runtime and compares them with an exact model and with the standard library.

    python tests/stress/generate.py raddle --count 100000 --seed 7     # all of it, on as many processes as there are CPUs
    python tests/stress/generate.py std --count 2000                   # checks the model against the standard library
    python tests/stress/generate.py raddle --seed 7 --show 4711        # prints one program, to be run by hand

What the model says about a program, and what is asked of raddle:

    finishes    same output as on the standard library where only one is possible, else one of the possible ones; no
                verdict; nothing lost by a lock that should have excluded
    may hang    one of the possible outputs, or told
    hangs       told: a verdict on stderr, or DeadlockError / LockAbandonedError in a thread

A batch of programs has a process of its own that never starts a thread; it forks one child for all programs that finish
(a new one behind a program that ends or blocks it) and one for each other program, several of them at a time.
"""

import argparse
import collections
import faulthandler
import json
import os
import random
import re
import selectors
import signal
import subprocess
import sys
import time

import harness
import programs

BATCH = 250
AT_ONCE = 12
FINISHES_WITHIN = 10
TOLD_WITHIN = {"raddle": 4.0, "std": 0.3}
TOLD = re.compile(r"\[RD00[124]\]")


# ---- in a child ------------------------------------------------------------------------------------------------------


def execute(program):
    """Runs a program in this process, main waiting for its threads without limit; gives what it wrote down."""
    scope = {"__name__": "__main__"}
    exec(compile(program.source, program.name, "exec"), scope)
    return {"output": scope["output"], "lost": scope["lost"]}


def fork(body):
    """Runs `body(pipe)` in a child with its stderr in the same pipe; gives (pid, read end)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    os.close(read)
    os.dup2(write, 2)
    faulthandler.enable(2)
    with os.fdopen(write, "w") as pipe:
        body(pipe)
        pipe.flush()
        os._exit(0)


def say(pipe, what):
    """One line of JSON, told apart from stderr's text by its first character."""
    pipe.write("\x01" + json.dumps(what) + "\n")
    pipe.flush()


def run_in_turn(todo, runtime, pipe):
    """The child of those that finish: one after the other, then how many verdicts there were."""
    harness.choose(runtime)
    for index, program in todo:
        with harness.limit(FINISHES_WITHIN, file=2):
            say(pipe, {"index": index, **execute(program)})
    say(pipe, {"verdicts": harness.verdicts(runtime)})


def run_alone(program, pipe):
    """The child of one that may hang."""
    say(pipe, execute(program))


# ---- in a batch's process ---------------------------------------------------------------------------------------------


def read_all(pid, pipe):
    """Everything a child writes until its end: its lines of JSON, and the rest as text."""
    with os.fdopen(pipe, errors="replace") as file:
        lines = file.read().splitlines()
    os.waitpid(pid, 0)
    return split(lines)


def split(lines):
    """Lines of JSON, and the rest as text."""
    data = [json.loads(line.split("\x01", 1)[1]) for line in lines if "\x01" in line]
    return data, "\n".join(line for line in lines if "\x01" not in line)


def finishing(todo, runtime):
    """Runs those that finish; gives index -> result, where a result may also be {"broken": text}."""
    results, verdicts = {}, collections.Counter()
    while todo:
        data, text = read_all(*fork(lambda pipe, rest=tuple(todo): run_in_turn(rest, runtime, pipe)))
        results |= {line["index"]: line for line in data if "index" in line}
        for line in data:
            verdicts.update(line.get("verdicts", {}))
        todo = [(index, program) for index, program in todo if index not in results]
        if todo:
            results[todo.pop(0)[0]] = {"broken": text}
    return results, dict(verdicts)


class Alone:
    """A running child of a program that may hang; `result` is told | hung | {"output": ..}."""

    def __init__(self, index, program, patience):
        self.index, self.text, self.result = index, "", None
        self.pid, self.pipe = fork(lambda pipe: run_alone(program, pipe))
        self.until = time.monotonic() + patience

    def read(self):
        """Takes what has arrived, and decides when that is enough."""
        data = os.read(self.pipe, 1 << 16).decode(errors="replace")
        self.text += data
        if TOLD.search(self.text):
            self.result = "told"
        elif not data:
            lines, text = split(self.text.splitlines())
            self.result = lines[0] if lines else {"broken": text}

    def end(self):
        """Kills the child."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)


def hanging(todo, patience):
    """Runs those that may hang, several at a time; gives index -> result."""
    results, running, todo = {}, selectors.DefaultSelector(), list(todo)
    while todo or running.get_map():
        while todo and len(running.get_map()) < AT_ONCE:
            child = Alone(*todo.pop(0), patience)
            running.register(child.pipe, selectors.EVENT_READ, child)
        for key, _ in running.select(0.05):
            key.data.read()
        for child in [key.data for key in running.get_map().values()]:
            if child.result is None and time.monotonic() > child.until:
                child.result = "hung"
            if child.result is not None:
                running.unregister(child.pipe)
                child.end()
                results[child.index] = child.result
    return results


def judge_finished(program, result, reference, runtime):
    """What is wrong with a run of a program that always finishes; None if nothing."""
    if "broken" in result:
        return f"did not end:\n{result['broken'][-3000:]}"
    if result["lost"]:
        return f"{result['lost']} additions lost under a lock"
    if not possible(program, result) and not (runtime == "std" and half_taken(program, result)):
        return f"{result['output']} is not possible (standard library: {reference})"
    return None


def possible(program, result):
    """Whether the model knows this output."""
    return tuple(map(tuple, result["output"])) in program.outputs


def half_taken(program, result):
    """Whether this may be the standard library's own slip: a taker has the semaphore of a Lock but not yet its flag,
    so that at the same moment acquire(False) fails and release() says that the lock is not locked.
    """
    return "f" in {name[0] for name in program.objects} and any("RuntimeError" in trace for trace in result["output"])


def judge_hanging(program, result, runtime):
    """`told`, `finished`, `untold`, or what is wrong."""
    if result in ("told", "hung"):
        return {"told": "told", "hung": "untold"}[result]
    if "broken" in result:
        return f"ended without a result:\n{result['broken'][-3000:]}"
    if any(word in programs.TOLD for trace in result["output"] for word in trace):
        return "told"
    if program.kind == "hangs":
        return f"finished with {result['output']}, which no interleaving does"
    return "finished" if possible(program, result) and not result["lost"] else f"{result} is not possible"


def batch(runtime, seed, first, count):
    """Builds, classifies and runs a batch; gives its counts and what is wrong."""
    made = {index: programs.Program(seed, index) for index in range(first, first + count)}
    ends = [(index, program) for index, program in made.items() if program.kind == "finishes"]
    others = [(index, program) for index, program in made.items() if program.kind != "finishes"]
    reference, _ = finishing(ends, "std")
    results, verdicts = finishing(ends, runtime) if runtime != "std" else (reference, {})
    harness.choose(runtime)
    counts, wrong = collections.Counter(program.kind for program in made.values()), {}
    counts.update({f"verdict on one that finishes: {code}": number for code, number in verdicts.items()})
    for index, program in ends:
        wrong[index] = judge_finished(program, results[index], reference[index].get("output"), runtime)
    for index, result in hanging(others, TOLD_WITHIN[runtime]).items():
        verdict = judge_hanging(made[index], result, runtime)
        if verdict in ("told", "finished", "untold"):
            counts[f"{made[index].kind}: {verdict}"] += 1
            untold = verdict == "untold" and runtime != "std"
            wrong[index] = f"hung and not told ({made[index].kind})" if untold else None
        else:
            wrong[index] = verdict
    return {"counts": counts, "wrong": {index: text for index, text in wrong.items() if text}}


# ---- in the first process ----------------------------------------------------------------------------------------------


def all_batches(args):
    """Runs every batch in a process of its own, `--jobs` at a time; yields their results."""
    starts = list(range(args.first, args.first + args.count, BATCH))
    running = []
    while starts or running:
        while starts and len(running) < args.jobs:
            first = starts.pop(0)
            size = min(BATCH, args.first + args.count - first)
            line = [sys.executable, __file__, args.runtime, f"--seed={args.seed}", f"--batch={first}:{size}"]
            running.append((first, subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
        first, child = running.pop(0)
        out, err = child.communicate(timeout=900)
        yield json.loads(out.splitlines()[-1]) if child.returncode == 0 else lost_batch(first, child, err)


def lost_batch(first, child, err):
    """The result of a batch whose own process died."""
    return {"counts": {"lost batches": 1}, "wrong": {first: f"the batch ended with {child.returncode}\n{err[-3000:]}"}}


def summary(counts, wrong, args):
    """The figures, and whether they are good enough."""
    differences = {index: text for index, text in wrong.items() if "not told" not in text}
    hangs = sum(counts[key] for key in counts if key.endswith((": told", ": untold")))
    told = sum(counts[key] for key in counts if key.endswith(": told"))
    alarms = sum(counts[key] for key in counts if key.startswith("verdict on"))
    share = told / hangs if hangs else 1.0
    print(dict(sorted(counts.items())))
    print(f"{args.count} programs: {len(differences)} differences, {alarms} false alarms, told {told} of {hangs} hangs")
    return not differences and not alarms and (args.runtime == "std" or share >= 0.99)


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=["std", "raddle"])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--show", type=int, metavar="INDEX")
    parser.add_argument("--batch", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    """Runs all batches and prints what is wrong, with the line that shows the program."""
    args = options()
    if args.show is not None:
        program = programs.Program(args.seed, args.show)
        print(program.source + programs.SHOW + f"# {program.kind}: {sorted(program.outputs)[:10]}")
        return
    if args.batch:
        print(json.dumps(batch(args.runtime, args.seed, *map(int, args.batch.split(":")))))
        return
    print(f"seed {args.seed}", flush=True)
    counts, wrong, began = collections.Counter(), {}, time.monotonic()
    for result in all_batches(args):
        counts.update(result["counts"])
        wrong |= result["wrong"]
        for index, text in result["wrong"].items():
            print(f"program {index} (--seed {args.seed} --show {index}): {text}", flush=True)
    good = summary(counts, wrong, args)
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
