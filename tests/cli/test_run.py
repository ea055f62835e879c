"""A program that needs nothing of raddle cannot tell `raddle run` from `python`: same output, same end."""

import inspect
import os
import py_compile
import signal
import sys
import zipfile

import pytest
import raddle
import raddle.cli.run as command
from ending import RADDLE, run

SHOW = """
import sys
def show(value):
    return type(value).__name__ if "object at" in repr(value) else value
space = {name: show(value) for name, value in globals().items() if name not in ("sys", "show")}
print(space, list(space), __spec__ and (__spec__.name, __spec__.origin))
print(sys.argv, sys.path, sys.flags, sys.warnoptions, sys._xoptions)
print(sys.modules["__main__"].__dict__ is globals(), __name__, sys.modules["__main__"])
"""
DEEP = """
def f(n):
    if n == 0:
        {}
    f(n - 1)
f(3)
"""
CHAIN = """
def inner():
    raise KeyError("first")
try:
    inner()
except KeyError as error:
    try:
        raise ValueError("second") from error
    except ValueError:
        raise TypeError("third")
"""
GROUP = """
def fail(kind):
    raise kind("x")
errors = []
for kind in (ValueError, TypeError):
    try:
        fail(kind)
    except Exception as error:
        errors.append(error)
error = ExceptionGroup("two", errors)
error.add_note("a note")
raise error
"""
HOOK = """
import sys
def hook(kind, value, trace):
    print("hook", kind, value, sys.exc_info(), value.__context__)
    while trace:
        print(trace.tb_frame.f_code.co_name, trace.tb_lineno)
        trace = trace.tb_next
    {}
sys.excepthook = hook
def f():
    raise {}("x")
f()
"""
LAST = """
import atexit, sys
def last():
    trace = sys.last_traceback
    print(sys.last_type, sys.last_value, sys.excepthook, getattr(sys, "last_exc", sys.last_value) is sys.last_value)
    print(trace is sys.last_value.__traceback__, trace.tb_frame.f_code.co_filename, trace.tb_next.tb_next)
    print("__file__" in globals(), "__cached__" in globals())
atexit.register(last)
def f():
    1 / 0
f()
"""
ENDS = """
import atexit, os, sys, threading
atexit.register(lambda: print("atexit", globals().get("__file__"), sys.excepthook, flush=True))
gate = threading.Event()
def worker():
    threading.main_thread().join()
    os.write(1, b"main is done\\n")
    print("worker", "__file__" in globals())
threading.Thread(target=worker).start()
class Last:
    def __del__(self, write=os.write):
        write(1, b"finalizer\\n")
last = Last()
print("main")
print("main", file=sys.stderr)
{}
"""
SPAWN = """
import multiprocessing, sys
def work(n):
    return n, __name__, sys.argv
if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.map(work, [1, 2]))
"""
GENERATOR = """
import warnings
def f():
    warnings.warn("from a function", stacklevel=2)
f()
print("\\d")
x = 1 is 1
"""

SCRIPTS = {
    "shows-itself": SHOW,
    "nothing": "",
    "error": DEEP.format("1 / 0"),
    "chain": CHAIN,
    "group": GROUP,
    "no-traceback-in-context": "try:\n    1/0\nexcept ZeroDivisionError:\n    raise ValueError('x') from None\n",
    "recursion-in-data": "x = []\nx.append(x)\nimport json\njson.dumps(x)\n",
    "own-error-class": "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd\n",
    "error-of-an-import": "import broken\n",
    "syntax-error-of-an-import": "import unreadable\n",
    "missing-module": "import there_is_no_such_module\n",
    "syntax-error-at-run-time": "def f():\n    exec('a b')\nf()\n",
    "hook": HOOK.format("", "ValueError"),
    "hook-fails": HOOK.format("raise TypeError('in the hook')", "ValueError"),
    "hook-exits": HOOK.format("sys.exit(9)", "ValueError"),
    "hook-sees-ctrl-c": HOOK.format("", "KeyboardInterrupt"),
    "hook-is-gone": "import atexit, sys\ndel sys.excepthook\n"
    "atexit.register(lambda: print(hasattr(sys, 'excepthook')))\n1/0\n",
    "hook-is-none": "import sys\nsys.excepthook = None\n1/0\n",
    "hook-puts-another": "import sys\ndef h(*a):\n    sys.excepthook = print\nsys.excepthook = h\n"
    "import atexit\natexit.register(lambda: print(sys.excepthook))\n1/0\n",
    "last-error": LAST,
    "stderr-is-gone": "import sys\nsys.stderr = None\n1/0\n",
    "stdout-is-closed": "import sys\nprint(1)\nsys.stdout.close()\n1/0\n",
    "exit-none": "import sys; sys.exit()",
    "exit-0": "import sys; sys.exit(0)",
    "exit-3": "import sys; sys.exit(3)",
    "exit-300": "import sys; sys.exit(300)",
    "exit-negative": "import sys; sys.exit(-1)",
    "exit-huge": "import sys, threading; sys.exit(2**70)",
    "exit-text": "import sys; sys.exit('bye')",
    "exit-object": "import sys; sys.exit([1, 2])",
    "exit-true": "import sys; sys.exit(True)",
    "exit-class": "raise SystemExit",
    "exit-subclass": "class Mine(SystemExit):\n    pass\nraise Mine(4)\n",
    "exit-code-changed": "e = SystemExit(1)\ne.code = 6\nraise e\n",
    "exit-in-finally": "import sys\ntry:\n    1/0\nfinally:\n    sys.exit(7)\n",
    "exit-at-once": "import os; os._exit(8)",
    "exit-builtin": "exit(5)",
    "exit-in-atexit": "import atexit, sys\natexit.register(sys.exit, 3)\n",
    "error-in-atexit": "import atexit\natexit.register(int, 'x')\n",
    "generator-exit": "raise GeneratorExit",
    "base-exception": "raise BaseException('base')",
    "ctrl-c": DEEP.format("raise KeyboardInterrupt"),
    "ctrl-c-signal": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n",
    "ctrl-c-subclass": "class Mine(KeyboardInterrupt):\n    pass\nraise Mine\n",
    "ctrl-c-and-atexit": "import atexit, sys\natexit.register(lambda: print('atexit', sys.excepthook))\n"
    "raise KeyboardInterrupt\n",
    "ctrl-c-caught": "import sys\ntry:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    sys.exit(130)\n",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    "aborted": "import os\nos.abort()\n",
    "ends": ENDS.format(""),
    "ends-by-exit": ENDS.format("sys.exit(3)"),
    "ends-by-error": ENDS.format("1 / 0"),
    "ends-by-ctrl-c": ENDS.format("raise KeyboardInterrupt"),
    "warnings": GENERATOR,
    "future": "from __future__ import annotations\nx: undefined = 1\nprint(__annotations__)\n",
    "no-future-of-ours": "def f(x: 1 + 1): pass\nprint(f.__annotations__)\n",
    "pickles-its-own": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)\n",
    "imports-itself": "import __main__\nprint(__main__.__file__ == __file__)\n",
    "inspects": "import inspect\ndef f(): pass\nprint(inspect.getsource(f), inspect.getfile(f))\n",
    "multiprocessing": SPAWN,
    "forks": "import os, sys\npid = os.fork()\nif not pid:\n    sys.exit(4)\n"
    "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n",
    "environment": "import os\nprint(sorted(name for name in os.environ if 'RADDLE' in name.upper()))\n",
    "crlf": b"print(1)\r\nif 1:\r\n    print('''a\r\nb'''.encode())\r\n1/0\r\n",
    "latin-1": "# coding: latin-1\nprint(ascii('\xe4'))\n".encode("latin-1"),
    "byte-order-mark": b"\xef\xbb\xbfprint(1)\n",
    "no-newline": "print(1)\nif 1:\n    1/0",
    # These never start.
    "syntax-error": "print(1)\nx = = 1\n",
    "syntax-error-of-the-compiler": "print(1)\nreturn 3\n",
    "syntax-error-and-a-warning": "x = '\\d'\nx = = 1\n",
    "indentation": "if 1:\nprint(1)\n",
    "tabs": "if 1:\n        x = 1\n\ty = 2\n",
    "null-byte": b"print(1)\n\0\n",
    "not-utf-8": b"print('\xff')\n",
    "unknown-coding": b"# coding: no-such-coding\n",
    "unclosed": "print((1,\n'''abc\n",
    "too-deep": "(" * 1000 + ")" * 1000,
}
BESIDE = {
    "broken.py": "def f():\n    return {}['x']\nf()\n",
    "unreadable.py": "def f(:\n    pass\n",
    "module.py": SHOW + "sys.exit(len(sys.argv))\n",
    "failing.py": DEEP.format("1 / 0"),
    "interrupted.py": DEEP.format("raise KeyboardInterrupt"),
    "spawning.py": SPAWN,
    "package/__init__.py": "import sys\nprint('package', sys.argv, __name__)\n",
    "package/__main__.py": SHOW + "from . import part\n",
    "package/part.py": "print(__name__)\n1/0\n",
    "bare/__init__.py": "",
    "bad/__init__.py": "1/0\n",
    "directory/__main__.py": SHOW + "import helper\n",
    "directory/helper.py": "print(__file__)\n1/0\n",
    "empty/readme": "",
    "directory-with-syntax-error/__main__.py": "a b\n",
    "deep/down/script.py": SHOW,
    "name with space.py": SHOW,
    "worse than a warning.py": SCRIPTS["syntax-error-and-a-warning"],
    "script-without-suffix": SHOW,
}
COMMANDS = {
    "script-with-arguments": ["script.py", "-m", "--fail-on", "-c", "", "--", "-x=1"],
    "script-in-a-folder": ["deep/down/script.py"],
    "script-by-dots": ["./deep/../deep/./down/script.py"],
    "script-without-suffix": ["./script-without-suffix", "x"],
    "script-without-suffix-here": ["script-without-suffix"],
    "script-that-warns-and-fails": ["worse than a warning.py"],
    "script-with-spaces": ["name with space.py", "a b"],
    "link": ["link.py"],
    "bytecode": ["compiled.pyc", "x"],
    "bytecode-without-suffix": ["./compiled", "x"],
    "bytecode-of-another-version": ["old.pyc"],
    "directory": ["directory", "x"],
    "directory-with-slash": ["./directory/", "x"],
    "directory-here": ["."],
    "directory-here-with-slash": ["./"],
    "empty-name": [""],
    "directory-without-main": ["empty"],
    "directory-with-syntax-error": ["directory-with-syntax-error"],
    "zip": ["app.zip", "x"],
    "zip-with-shebang": ["./app", "x"],
    "module": ["-m", "module", "a", "-m", "-c"],
    "module-attached": ["-mmodule", "a"],
    "module-fails": ["-m", "failing"],
    "module-interrupted": ["-m", "interrupted"],
    "module-spawns": ["-m", "spawning"],
    "module-unreadable": ["-m", "unreadable"],
    "module-unknown": ["-m", "there_is_no_such_module"],
    "module-unknown-inside": ["-m", "package.nothing"],
    "module-with-suffix": ["-m", "module.py"],
    "module-of-the-library": ["-m", "base64", "-t"],
    "package": ["-m", "package", "x"],
    "package-part": ["-m", "package.part"],
    "package-without-main": ["-m", "bare"],
    "package-that-fails": ["-m", "bad"],
    "code": ["-c", SHOW, "x", "-c"],
    "code-attached": ["-cimport sys; print(sys.argv)", "y"],
    "code-fails": ["-c", "def f():\n    1/0\n\nf()"],
    "code-interrupted": ["-c", "raise KeyboardInterrupt"],
    "code-ends": ["-c", ENDS.format("")],
    "code-ends-by-error": ["-c", ENDS.format("1 / 0")],
    "code-shows-its-lines": ["-c", "import linecache; print(linecache.cache.get('<string>'))"],
    "code-empty": ["-c", ""],
    "code-syntax-error": ["-c", "a b"],
    "code-indented": ["-c", "  print(1)"],
    "code-warns": ["-c", "x = '\\d'; print(x is 1)"],
    "missing": ["missing.py", "x"],
    "missing-folder": ["no/such/folder/x.py"],
    "missing-name": ["there-is-no-such-command"],
    "through-a-file": ["script.py/x.py"],
}
FROM_STDIN = """
    shows-itself nothing error chain hook last-error exit-3 ctrl-c ends ends-by-error warnings inspects pickles-its-own
    latin-1 byte-order-mark crlf no-newline syntax-error syntax-error-and-a-warning null-byte not-utf-8
""".split()
STARTS = ["script-with-arguments", "directory", "module", "code", "missing", "bytecode", "script-that-warns-and-fails"]
OUTER = {
    "plain": [],
    "safe-path": ["-P"],
    "isolated-path": ["-P", "-s"],
    "warnings-are-errors": ["-W", "error"],
    "dev": ["-X", "dev"],
    "no-bytecode-optimised": ["-B", "-OO"],
    "unbuffered": ["-u"],
    "utf8": ["-X", "utf8=0"],
}


@pytest.fixture
def beside(folder):
    """A folder with everything that `COMMANDS` name."""
    here = folder(BESIDE | {"script.py": SHOW})
    (here / "link.py").symlink_to("deep/down/script.py")
    with zipfile.ZipFile(here / "app.zip", "w") as file:
        file.writestr("__main__.py", BESIDE["directory/__main__.py"])
        file.writestr("helper.py", BESIDE["directory/helper.py"])
    (here / "app").write_bytes(b"#!/usr/bin/env python3\n" + (here / "app.zip").read_bytes())
    py_compile.compile(here / "script.py", here / "compiled.pyc", doraise=True)
    (here / "compiled").write_bytes((here / "compiled.pyc").read_bytes())
    (here / "old.pyc").write_bytes(b"\x16\r\r\n" + (here / "compiled.pyc").read_bytes()[4:])
    return here


def assert_same(command, cwd, options=(), **more):
    """Runs a command by python and by raddle, with stderr apart and with the two mixed, and compares."""
    for merge in (False, True):
        plain = run([sys.executable, *options, *command], cwd, merge, **more)
        ours = run([sys.executable, *options, *RADDLE[1:], *command], cwd, merge, **more)
        assert ours == plain


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_ends_as_under_python(folder, name):
    here = folder({**BESIDE, "script.py": SCRIPTS[name]})
    assert_same(["script.py", "a", "b"], here)


@pytest.mark.parametrize("options", [[], ["-P"]], ids=["plain", "safe-path"])
@pytest.mark.parametrize("name", FROM_STDIN)
def test_a_program_from_stdin_ends_as_under_python(folder, name, options):
    here = folder({**BESIDE, "script.py": SCRIPTS[name]})
    assert_same(["-", "a", "-m"], here, options, stdin=here / "script.py")


def test_a_program_from_a_pipe_may_not_compile(beside):
    """Then it was read already, and python has to find it again."""
    pipe = ["sh", "-c", "printf 'print(1)\\nx = = 1\\n' | \"$@\"", "sh"]
    ended = run([*pipe, *RADDLE, "-"], beside)
    assert ended == run([*pipe, sys.executable, "-"], beside)
    assert (ended.status, ended.out) == (1, "") and "SyntaxError" in ended.err


def test_stdin_is_closed(beside):
    close = ["sh", "-c", 'exec <&-; "$@"', "sh"]
    assert run([*close, *RADDLE, "-"], beside) == run([*close, sys.executable, "-"], beside)


def test_a_program_is_not_typed(beside):
    ours, theirs = os.openpty()
    ended = run([*RADDLE, "-"], beside, stdin=theirs)
    os.close(ours)
    text = "raddle run: stdin is a terminal (raddle run -m code is an interactive session on raddle)\n"
    assert ended == (2, "", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_line_means_what_it_means_to_python(beside, name):
    assert_same(COMMANDS[name], beside)


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("name", STARTS)
def test_options_of_the_interpreter_stay(beside, name, outer):
    assert_same(COMMANDS[name], beside, OUTER[outer])


@pytest.mark.parametrize("name", ["script-in-a-folder", "module", "code"])
def test_the_environment_can_ask_for_a_safe_path(beside, name):
    assert_same(COMMANDS[name], beside, PYTHONSAFEPATH="1", PYTHONPATH=str(beside) + os.pathsep + _pythonpath())


@pytest.mark.parametrize("name", ["script-in-a-folder", "directory", "module", "code"])
def test_the_installed_command_does_what_the_module_does(beside, name):
    """`raddle run` as a script has its own folder first on the path: it must be gone."""
    script = beside / "bin" / "raddle"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom raddle.cli import main\nsys.exit(main())\n")
    plain = run([sys.executable, *COMMANDS[name]], beside)
    assert run([sys.executable, str(script), "run", *COMMANDS[name]], beside) == plain


UNDER = "import raddle.threading, threading; print(threading.Lock is raddle.threading.Lock)"
WAYS = [["script.py"], ["compiled.pyc"], ["./compiled"], ["."], ["app.zip"], ["-m", "script"], ["-c", UNDER], ["-"]]


@pytest.mark.parametrize("command", WAYS, ids=lambda command: command[0])
def test_raddle_is_under_the_program(folder, command):
    """What python and raddle do alike could be done by python alone."""
    here = folder({"script.py": UNDER, "__main__.py": UNDER})
    py_compile.compile(here / "script.py", here / "compiled.pyc", doraise=True)
    (here / "compiled").write_bytes((here / "compiled.pyc").read_bytes())
    with zipfile.ZipFile(here / "app.zip", "w") as file:
        file.writestr("__main__.py", UNDER)
    assert run([*RADDLE, *command], here, stdin=here / "script.py") == (0, "True\n", "")


def test_an_absolute_path_is_kept(beside):
    assert_same([str(beside / "deep" / "down" / "script.py")], beside)


def test_a_command_on_the_path_runs_as_from_a_shell(beside):
    tool = beside / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\n{SHOW}\nsys.exit(3)\n")
    tool.chmod(0o755)
    path = os.pathsep.join([str(tool.parent), os.environ["PATH"]])
    ours = run([*RADDLE, "tool", "--fail-on", "x"], beside, PATH=path)
    assert ours == run([str(tool), "--fail-on", "x"], beside)
    assert ours.status == 3


LONG = "#!/bin/sh\n'''exec' /a/very/long/path/python \"$0\" \"$@\"\n' '''\nprint('it runs')\n"


@pytest.mark.parametrize("text", ["print('it runs')\n", LONG], ids=["no-shebang", "long-shebang"])
def test_a_command_on_the_path_may_hide_that_it_is_python(beside, text):
    tool = beside / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text(text)
    tool.chmod(0o755)
    path = os.pathsep.join([str(tool.parent), os.environ["PATH"]])
    assert run([*RADDLE, "tool"], beside, PATH=path) == (0, "it runs\n", "")


@pytest.mark.parametrize(
    "text", [b"#!/bin/sh\necho no\n", b"\x7fELF\0\0\xff", b"echo no; fi\n"], ids=["sh", "elf", "?"]
)
def test_a_command_that_is_not_python_is_refused(beside, text):
    tool = beside / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_bytes(text)
    tool.chmod(0o755)
    path = os.pathsep.join([str(tool.parent), os.environ["PATH"]])
    ended = run([*RADDLE, "tool"], beside, PATH=path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"raddle run: 'tool' is {tool}, which is not a Python program (")


def test_ctrl_c_kills_as_it_kills_python(beside):
    ended = run([*RADDLE, "interrupted.py"], beside)
    assert ended.status == -signal.SIGINT


def test_children_do_not_inherit_anything(beside):
    code = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import os; print(sorted(os.environ))'])"
    assert_same(["-c", code], beside)


REFUSED = {
    "no-program": ([], "which program?"),
    "only-an-option": (["--fail-on", "any"], "which program?"),
    "unknown-option": (
        ["--fale-on", "any", "x.py"],
        "unknown option '--fale-on' (raddle run has --fail-on, --deadlocks, --lock-order, --sigterm, --deadlock-grace, --hold-warn, "
        "--daemon-grace, --exit-notice, --exit-timeout, --record, --record-size;",
    ),
    "option-of-python": (["-X", "dev", "x.py"], "unknown option '-X' "),
    "no-value": (["--fail-on"], "--fail-on needs a value, as in --fail-on RD001"),
    "unknown-code": (["--fail-on", "RD001,RD999", "x.py"], "--fail-on: unknown code 'RD999' (known: RD001, "),
    "empty-code": (["--fail-on=", "x.py"], "--fail-on: unknown code '' (known: RD001, "),
    "unknown-mode": (
        ["--deadlocks", "yes", "x.py"],
        "--deadlocks: unknown mode 'yes' (it is one of raise, report, off)",
    ),
    "unknown-mode-of-order": (
        ["--lock-order=raise", "x.py"],
        "--lock-order: unknown mode 'raise' (it is one of report, off)",
    ),
    "unknown-mode-of-sigterm": (
        ["--sigterm=kill", "x.py"],
        "--sigterm: unknown mode 'kill' (it is one of stop, default)",
    ),
    "negative": (["--daemon-grace", "-1", "x.py"], "--daemon-grace: a number of seconds is needed, got '-1', as in"),
    "no-seconds": (["--hold-warn", "long", "x.py"], "--hold-warn: a number of seconds is needed, got 'long', as in"),
    "no-time-at-all": (["--hold-warn=0", "x.py"], "--hold-warn: a number of seconds is needed, got '0', as in"),
    "nan": (["--hold-warn=nan", "x.py"], "--hold-warn: a number of seconds is needed, got 'nan', as in"),
    "no-module": (["-m"], "-m needs a value, as in -m http.server"),
    "no-code": (["-c"], "-c needs a value, as in -c pass"),
}


OPTIONS = [*command.DEFAULTS, *command.SECONDS]


@pytest.mark.parametrize("name", REFUSED)
def test_a_command_line_without_sense_is_refused(tmp_path, name):
    arguments, text = REFUSED[name]
    ended = run([*RADDLE, *arguments], tmp_path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"raddle run: {text}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_says_what_there_is(tmp_path, option):
    ended = run([*RADDLE, option], tmp_path)
    assert ended.status == 0
    assert all(word in ended.out for word in (*OPTIONS, "-m MODULE", "-c CODE"))


def test_each_option_but_the_programs_own_is_one_of_install():
    names = {name[2:].replace("-", "_") for name in OPTIONS} - {"fail_on"}
    assert names == set(inspect.signature(raddle.install).parameters)


def test_nothing_costly_is_imported(tmp_path):
    """What start-up may cost leaves no room for these. (`python -m` itself imports some of them.)"""
    code = "import sys; print(*sys.modules)"
    start = f"import sys, threading; from raddle.cli import main; sys.exit(main(['run', '-c', {code!r}]))"
    plain, ours = (run([sys.executable, "-c", text], tmp_path).out.split() for text in (code, start))
    costly = {"argparse", "inspect", "typing", "contextlib", "dataclasses", "traceback", "re", "subprocess", "ast"}
    assert "raddle.cli.run" in ours
    assert not (set(ours) - set(plain)) & costly


def _pythonpath():
    """Where the raddle of these tests comes from, if it is not installed."""
    import raddle

    return os.path.dirname(os.path.dirname(raddle.__file__))


TARGET = """
import threading
ledger = threading.RLock()
taker = threading.Thread(target=ledger.acquire, name="taker")
taker.start()
taker.join()
ledger.acquire()
"""


def test_a_lock_that_was_a_threads_target_is_not_said_to_be_taken_in_the_library(folder):
    """RD004: who took it, as its target, and where it was started; no line of `threading`."""
    ended = run([*RADDLE, "app.py"], folder({"app.py": TARGET}))
    assert "RD004" in ended.err
    assert "'taker' took RLock 'ledger' in its target" in ended.err
    assert "5 | taker.start()" in ended.err
    assert "threading.py" not in ended.err.split("RD004")[1].split("Traceback")[0]


REPORT = """
import threading
first, second, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
def cross(mine, other):
    with mine:
        both.wait()
        with other:
            pass
for pair in ((first, second), (second, first)):
    threading.Thread(target=cross, args=pair, daemon=True).start()
import time
time.sleep(1)
"""


def test_a_deadlock_that_was_to_be_reported_says_so(folder):
    """RD001 under `--deadlocks report`: every hold is owned, the reason is the option."""
    ended = run([*RADDLE, "--deadlocks", "report", "app.py"], folder({"app.py": REPORT}))
    assert "RD001" in ended.err
    assert "raddle was told to only report deadlocks" in ended.err
