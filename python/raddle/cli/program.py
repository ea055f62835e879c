"""The program of `raddle run`: finding it, and running it as `python` would.

The model is CPython's `Modules/main.c` and `Python/pythonrun.c`. A program can see where it runs by `sys.argv`,
`sys.path[0]`, the module `__main__`, the traceback of its error, the moment when stdout is flushed, and its exit status:
all of them are set here as the interpreter sets them. What it can still see is that its first frame has callers: the
recursion limit is a handful of calls nearer, and `sys._getframe().f_back` or `warnings.warn(stacklevel=2)` on the top
level find raddle there.

`python` itself replaces this process (`execv`) whenever nothing of the program has run yet and nothing of it can: a file
that is missing or does not compile. So those messages need no copy here.
"""

import builtins
import os
import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, SourcelessFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, TracebackType
    from typing import Any, NoReturn

PYC_HEADER = 16  # bytes before the code in a .pyc file
MISSING = object()


class NotPython(Exception):
    """A command on PATH that is no Python program."""


class Terminal(Exception):
    """A program from stdin that somebody would have to type."""


class Program:
    """Something to run, and what a program that is run in this way sees.

    arguments: what `sys.argv` becomes.
    first_path: what `sys.path[0]` becomes; None if nothing is to be put there.
    """

    flushes = False  # the interpreter flushes after a file, and after nothing else

    def __init__(self, arguments: "list[str]", first_path: "str | None") -> None:
        self.arguments = arguments
        self.first_path = first_path

    def prepare(self) -> "tuple[Callable[..., object], tuple[Any, ...]]":
        """Set `__main__` up; returns a function and its arguments: the call is the program."""
        raise NotImplementedError

    def finish(self) -> None:
        """What the interpreter does when the program is done and its error was shown."""

    def run(self) -> None:
        """Run the program. What it raises passes through, with a hook set that shows it without our frames."""
        sys.argv[:] = self.arguments
        _put_first_path(self.first_path)
        function, arguments = self.prepare()
        try:
            function(*arguments)
        except SystemExit:
            self.flush()
            raise
        except BaseException as error:
            self.flush()
            outer = error.__traceback__
            _show_later(error, outer and outer.tb_next, self.finish)
            raise
        self.flush()
        self.finish()

    def flush(self) -> None:
        """Flush stderr and stdout where the interpreter does."""
        if self.flushes:
            for stream in (sys.stderr, sys.stdout):
                try:
                    stream.flush()
                except Exception:
                    pass


class Source(Program):
    """A whole file's worth of Python.

    filename: what its tracebacks name. code: it, compiled. loader: the `__loader__` of its module.
    """

    flushes = True
    filename: str
    code: "CodeType"
    loader: object

    def prepare(self) -> "tuple[Callable[..., object], tuple[Any, ...]]":
        self.space = fresh_main(self.loader)
        self.space.update(__file__=self.filename, __cached__=None)
        return exec, (self.code, self.space)

    def finish(self) -> None:
        for name in ("__file__", "__cached__"):
            self.space.pop(name, None)


class File(Source):
    """A file with Python in it, or with the bytecode of one.

    path: as it was given; `filename` has the directory before it. Compiles the file; what does not compile goes to
    `python`.
    """

    def __init__(self, path: str, rest: "list[str]") -> None:
        super().__init__([path, *rest], None if sys.flags.safe_path else os.path.dirname(os.path.realpath(path)))
        self.filename = _absolute(path)
        self.code, loader = self._read()
        self.loader = loader("__main__", self.filename)

    def _read(self) -> "tuple[CodeType, type]":
        try:
            with open(self.filename, "rb") as file:
                data = file.read()
        except OSError:
            _become_python(self.arguments)
        if self.filename.endswith(".pyc") or data[:2] == MAGIC_NUMBER[:2]:
            return self._read_bytecode(data), SourcelessFileLoader
        code = _compile(data, self.filename)
        if code is None:
            _become_python(self.arguments)
        return code, SourceFileLoader

    def _read_bytecode(self, data: bytes) -> "CodeType":
        import marshal

        try:
            code = marshal.loads(data[PYC_HEADER:]) if data.startswith(MAGIC_NUMBER) else None
        except (EOFError, ValueError, TypeError):
            code = None
        if not isinstance(code, type(_compile.__code__)):
            _become_python(self.arguments)
        return code


class Stdin(Source):
    """The program that comes from stdin: `-`. It is read to its end before it runs.

    Raises `Terminal` if somebody would have to type it.
    """

    filename = "<stdin>"
    loader = BuiltinImporter

    def __init__(self, rest: "list[str]") -> None:
        super().__init__(["-", *rest], None if sys.flags.safe_path else "")
        try:
            if os.isatty(0):
                raise Terminal("stdin is a terminal (raddle run -m code is an interactive session on raddle)")
            with open(0, "rb", closefd=False) as stdin:
                data = stdin.read()
        except OSError:
            _become_python(self.arguments)
        code = _compile(data, self.filename)
        if code is None:
            _put_back(data)
            _become_python(self.arguments)
        self.code = code


class Code(Program):
    """A piece of Python: `-c`."""

    def __init__(self, text: str, rest: "list[str]") -> None:
        super().__init__(["-c", *rest], None if sys.flags.safe_path else "")
        if sys.version_info >= (3, 14) and text[:1].isspace():
            from textwrap import dedent

            text = dedent(text)
        self.text = text + "\n"
        code = _compile(self.text, "<string>")
        if code is None:
            _become_python(["-c", text, *rest])
        self.code = code

    def prepare(self) -> "tuple[Callable[..., object], tuple[Any, ...]]":
        if sys.version_info >= (3, 13):  # its tracebacks show the lines of -c
            import linecache

            lines = [line + "\n" for line in self.text.splitlines()]
            linecache.cache["<string>"] = (len(self.text), None, lines, "<string>")
        return exec, (self.code, fresh_main(BuiltinImporter))


class Module(Program):
    """A module (`-m`), or what has a `__main__.py` in it: a directory, a zip file."""

    def __init__(self, name: str, arguments: "list[str]", first_path: "str | None") -> None:
        super().__init__(arguments, first_path)
        self.name = name

    def prepare(self) -> "tuple[Callable[..., object], tuple[Any, ...]]":
        # The interpreter calls the same function in the same way, so its frames are in python's tracebacks too.
        from runpy import _run_module_as_main  # type: ignore[attr-defined]

        fresh_main(BuiltinImporter)
        return _run_module_as_main, (self.name, self.name != "__main__")


def find(command: "list[str]") -> Program:
    """The program that a command line starts with; the rest of it are the program's arguments.

    What is missing or does not compile is left to `python`, which replaces this process then.
    Raises `NotPython` for a command that is found on PATH and is not written in Python, `Terminal` for `-` if stdin is
    one.
    """
    first, rest = command[0], command[1:]
    if first == "-":
        return Stdin(rest)
    if first.startswith("-m"):
        name, rest = (first[2:], rest) if first[2:] else (rest[0], rest[1:])
        return Module(name, ["-m", *rest], None if sys.flags.safe_path else _working_directory())
    if first.startswith("-c"):
        text, rest = (first[2:], rest) if first[2:] else (rest[0], rest[1:])
        return Code(text, rest)
    path = first if os.sep in first or os.path.exists(first) else _on_path(first) or first
    if _is_importable(_absolute(path)):
        return Module("__main__", [path, *rest], _absolute(path))
    return File(path, rest)


def fresh_main(loader: object) -> "dict[str, Any]":
    """Put a new module `__main__` in place, with what the interpreter gives one; returns its namespace."""
    module = type(sys)("__main__")
    space = vars(module)
    space["__loader__"] = loader
    if "__annotations__" in vars(sys.modules["__main__"]):  # not every version sets it
        space["__annotations__"] = {}
    space["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return space


def _put_first_path(path: "str | None") -> None:
    """Take away what the interpreter put first for raddle's own sake, and put the program's there."""
    if not sys.flags.safe_path:
        del sys.path[:1]
    if path is not None:
        sys.path.insert(0, path)


def _working_directory() -> "str | None":
    try:
        return os.getcwd()
    except OSError:
        return None


def _absolute(path: str) -> str:
    """The path from the root, put together as the interpreter does for `__file__`: nothing else is tidied."""
    if os.path.isabs(path):
        return path
    try:
        return os.getcwd() if path in ("", ".") else os.path.join(os.getcwd(), path)
    except OSError:
        return path


def _is_importable(path: str) -> bool:
    """Whether modules can be imported from there: a directory or a zip file."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _on_path(name: str) -> "str | None":
    """The file of a command that is written in Python; None if there is no such command.

    Raises `NotPython` if it is written in something else.
    """
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory or os.curdir, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            if not _is_python(path):
                raise NotPython(
                    f"{name!r} is {path}, which is not a Python program (raddle run takes a Python file, -m module,"
                    " -c code or a command that is written in Python)"
                )
            return path
    return None


def _is_python(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            first, second = file.readline(512), file.readline(512)
            if first.startswith(b"#!"):
                # A long path to the interpreter does not fit: installers start such a file with `'''exec' /the/path`.
                return b"python" in first or second.startswith(b"'''exec'")
            return path.endswith((".py", ".pyw")) or _compile(first + second + file.read(), path) is not None
    except OSError:
        return False


def _compile(source: "str | bytes", filename: str) -> "CodeType | None":
    """Compile a program; None if that fails, and then its warnings are not shown either."""
    from io import StringIO

    real, warnings = sys.stderr, StringIO()
    sys.stderr = warnings
    try:
        code: CodeType = compile(source, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    finally:
        sys.stderr = real
    if warnings.tell() and real is not None:
        real.write(warnings.getvalue())
    return code


def _put_back(data: bytes) -> None:
    """Make stdin start with this, which was read from it to its end."""
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        os.dup2(file.fileno(), 0)


def _become_python(command: "list[str]") -> "NoReturn":
    """Replace this process by `python`, called in the same way, which says what is wrong with the program."""
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    os.execv(sys.executable, [sys.executable, *_args_from_interpreter_flags(), *command])


def _show_later(error: BaseException, trace: "TracebackType | None", finish: "Callable[[], None]") -> None:
    """Have the interpreter show an error without our frames when it arrives at the top.

    It arrives there by itself, so that the interpreter decides how the process ends (by SIGINT, for Ctrl-C). On its way
    it collects our frames. The hook that the interpreter calls then is ours, for this once: it takes them away and calls
    the program's.
    """
    hook = getattr(sys, "excepthook", MISSING)

    def show(kind: "type[BaseException]", value: BaseException, full: "TracebackType | None") -> None:
        if value is not error:  # some other thread's error came in between
            (sys.__excepthook__ if hook is MISSING else hook)(kind, value, full)  # type: ignore[operator]
            return
        if hook is MISSING:
            del sys.excepthook
        else:
            sys.excepthook = hook  # type: ignore[assignment]
        sys.last_traceback = value.__traceback__ = trace
        _call_hook(hook, value)
        finish()

    sys.excepthook = show


def _call_hook(hook: "Any", error: BaseException) -> None:
    """Show an error by a hook; if there is none or it fails, do what the interpreter does about that."""
    if hook is MISSING:
        sys.stderr.write("sys.excepthook is missing\n")
        _display(error)
        return
    failure = None
    try:
        hook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as second:
        outer = second.__traceback__
        failure = second.with_traceback(outer and outer.tb_next)
    if failure is not None:
        sys.stderr.write("Error in sys.excepthook:\n")
        _display(failure)
        sys.stderr.write("\nOriginal exception was:\n")
        _display(error)


def _display(error: BaseException) -> None:
    sys.__excepthook__(type(error), error, error.__traceback__)
