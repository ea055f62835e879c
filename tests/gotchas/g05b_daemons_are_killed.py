"""A daemon thread writes a file when the program ends: how much of it arrives?

id: 5b
claim: Daemon threads are killed, which may cause memory leaks.
today: true, but for the leak: what they had not written is lost, and `finally` does not run
stdlib: 0 of 790 bytes arrived
raddle: 790 of 790 bytes arrived, finally ran
"""

import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import importlib, sys, time

module, path = sys.argv[1:]
Thread = importlib.import_module(module).Thread
sleep = importlib.import_module("raddle").sleep if module == "raddle" else time.sleep
begun = importlib.import_module("threading").Event()

def write():
    try:
        with open(path, "w") as file:
            file.write("x" * 790)
            begun.set()
            sleep(60)
    finally:
        print("finally ran")

Thread(target=write, daemon=True).start()
begun.wait()
"""


def scene(threading):
    module = "raddle" if "raddle" in sys.modules else "threading"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        command = [sys.executable, "-c", PROGRAM, module, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=15)
        said = f", {done.stdout.strip()}" if done.stdout.strip() else ""
        return f"{path.stat().st_size} of 790 bytes arrived{said}"
