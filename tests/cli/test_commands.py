"""`raddle`, `raddle explain` and `raddle gotchas` on the command line."""

import json
import sys

import pytest
from ending import run

RADDLE = [sys.executable, "-m", "raddle"]
SCENE = '''"""{title}

id: 4a
claim: a claim
today: true
stdlib: {stdlib}
raddle: {raddle}
{more}
"""
import time

def scene(threading):
    {body}
'''


def scene(stdlib="x", raddle="x", body="return 'x'", title="A title", more=""):
    return SCENE.format(title=title, stdlib=stdlib, raddle=raddle, body=body, more=more)


def test_the_version_is_told(tmp_path):
    import raddle

    assert run([*RADDLE, "--version"], tmp_path) == (0, f"raddle {raddle.__version__}\n", "")


def test_help_names_the_commands(tmp_path):
    ended = run([*RADDLE, "--help"], tmp_path)
    assert ended.status == 0
    assert all(command in ended.out for command in ("run ", "explain ", "gotchas "))
    assert run(RADDLE, tmp_path) == (2, "", ended.out)


def test_an_unknown_command_is_refused_with_a_way_out(tmp_path):
    ended = run([*RADDLE, "app.py"], tmp_path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        "raddle has no command 'app.py' (it has run, report, postmortem, explain, gotchas; to run a program: raddle run app.py)\n"
    )


def test_explain_lists_the_codes(tmp_path):
    ended = run([*RADDLE, "explain"], tmp_path)
    assert ended.status == 0
    assert ended.out.splitlines()[0] == "RD001  deadlock"


@pytest.mark.parametrize("code", ["RD001", "rd003", "RD006"])
def test_explain_says_what_a_code_means(tmp_path, code):
    ended = run([*RADDLE, "explain", code], tmp_path)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"# {code.upper()}: ")


def test_explain_has_a_text_for_each_code(tmp_path):
    codes = [line.split()[0] for line in run([*RADDLE, "explain"], tmp_path).out.splitlines()]
    ended = run([*RADDLE, "explain", *codes], tmp_path)
    assert [line[2:7] for line in ended.out.splitlines() if line.startswith("# RD")] == codes


def test_explain_refuses_an_unknown_code(tmp_path):
    ended = run([*RADDLE, "explain", "RD001", "RD999"], tmp_path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("raddle explain: unknown code 'RD999' (known: RD001, ")


def test_gotchas_has_a_row_for_each_point(folder):
    here = folder({"g1.py": scene(body="return 'ok'", stdlib="ok", raddle="ok")})
    ended = run([*RADDLE, "gotchas", "--from", "."], here)
    assert (ended.status, ended.err) == (0, "")
    rows = {line.split()[0]: line for line in ended.out.splitlines() if line[:1].strip()}
    assert " ".join(rows) == "1 1a 1b 2 3a 3b 3c 4 4a 4b 4c 4d 5 5a 5b 6 6a 6b 7 7a 7b 7c 7d 7e 8a 8b 8c 9 9a 10 10a"
    assert rows["4a"].split() == ["4a", "A", "title", "ok", "ok"]
    assert rows["8c"].endswith("not yet")


def test_gotchas_sees_how_each_side_ends(folder):
    here = folder(
        {
            "g1.py": scene("hangs", "hangs", "time.sleep(60)", more="limit: 1"),
            "g2.py": scene("exit status 1", "exit status 1", "1/0"),
            "g3.py": scene("killed by SIGABRT", "killed by SIGABRT", "import os; os.abort()"),
            "g4.py": scene("x...z", "x...", "return 'xyz'"),
            "g5.py": scene(
                "done",
                "done, exit status 70 [RD003]",
                "t = threading.Thread(target=lambda: 1 / 0, name='w'); t.start(); t.join(); return 'done'",
                more="report: 'w' died\noptions: --fail-on any",
            ),
        }
    )
    ended = run([*RADDLE, "gotchas", "4a", "--run", "--from", "."], here)
    assert (ended.status, ended.err) == (0, ""), ended.out


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (scene(stdlib="y"), "stdlib should have shown: y"),
        (scene(raddle="y"), "raddle should have shown: y"),
        (scene(more="report: there is none"), "raddle should have shown: x and a report with ['there is none']"),
        (scene(stdlib="hangs", more="limit: 1"), "stdlib should have shown: hangs"),
    ],
)
def test_gotchas_fails_if_a_scene_shows_something_else(folder, text, wrong):
    ended = run([*RADDLE, "gotchas", "4a", "--run", "--from", "."], folder({"g1.py": text}))
    assert ended.status == 1
    assert wrong in ended.out
    assert ended.err == "raddle gotchas: 1 of these are not what the scene says\n"


def test_gotchas_tells_about_a_point_without_running_it(folder):
    here = folder({"g1.py": scene(body="1/0")})
    ended = run([*RADDLE, "gotchas", "4a", "8c", "--from", "."], here)
    assert (ended.status, ended.err) == (0, "")
    assert all(text in ended.out for text in ("A title", "claim   a claim", "g1.py", "8c  ", "not yet"))


def test_gotchas_gives_data(folder):
    here = folder({"g1.py": scene(raddle="y")})
    ended = run([*RADDLE, "gotchas", "4a", "8c", "--json", "--from", "."], here)
    assert ended.status == 1
    built, other = json.loads(ended.out)
    assert (other["id"], other["built"]) == ("8c", False)
    assert (built["id"], built["built"], built["title"]) == ("4a", True, "A title")
    assert built["stdlib"] == {"said": "x", "seen": "x", "ok": True}
    assert built["raddle"] == {"said": "y", "seen": "x", "ok": False}


@pytest.mark.parametrize(
    ("arguments", "files", "text"),
    [
        (["4z"], {}, "unknown point '4z' (known: 1, 1a, "),
        (["--from", "nowhere"], {}, "no scenes in nowhere (they are tests/gotchas of raddle's source: --from DIR)"),
        (
            ["--from", "."],
            {"g1.py": '"""T\n\nid: 4a\nclam: x\n"""'},
            "g1.py: unknown field in the docstring: 'clam: x'",
        ),
        (["--from", "."], {"g1.py": '"""T\n\nid: 4a\n"""'}, "g1.py: the docstring has no field 'claim'"),
        (["--from", "."], {"g1.py": scene().replace("4a", "4z")}, "g1.py: unknown point '4z'"),
    ],
)
def test_gotchas_refuses_what_makes_no_sense(folder, arguments, files, text):
    ended = run([*RADDLE, "gotchas", *arguments], folder(files))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"raddle gotchas: {text}")
