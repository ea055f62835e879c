"""`raddle report --perfetto`, read with Perfetto's own definitions."""

import json
import subprocess
from collections import defaultdict

import pytest
from ending import RADDLE, run
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackDescriptor, TrackEvent

COMMAND = RADDLE[:-1]  # without `run`

PROGRAM = """\
import threading, time

lock = threading.Lock()


def holds():
    with lock:
        taken.set()
        time.sleep(0.1)
    raise ValueError("no such account")


def waits():
    taken.wait()
    with lock:
        pass


taken = threading.Event()
threads = [threading.Thread(target=target, name=target.__name__) for target in (waits, holds)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Lane:
    """A track: what it is called, its slices as (begin, end, depth, name, annotations), its marks, and its numbers."""

    def __init__(self, descriptor):
        self.name = descriptor.thread.thread_name or descriptor.name
        self.rank = descriptor.sibling_order_rank
        self.slices, self.open, self.marks, self.numbers = [], [], [], []
        self.leaves, self.arrives = {}, {}  # arrows: the number and when


def annotations(event, names):
    values = {}
    for said in event.debug_annotations:
        value = getattr(said, said.WhichOneof("value"))
        is_number = said.WhichOneof("value") == "string_value_iid"
        values[names["debug_annotation_names"][said.name_iid]] = (
            names["debug_annotation_string_values"][value] if is_number else value
        )
    return values


def learn(interned, names):
    for table, values in interned.ListFields():
        for entry in values:
            text = entry.str.decode() if table.name == "debug_annotation_string_values" else entry.name
            assert names[table.name].setdefault(entry.iid, text) == text, "a number means one thing"


def read(trace):
    """The lanes of a trace, by name."""
    lanes, names, latest = {}, defaultdict(dict), 0
    for packet in trace.packet:
        learn(packet.interned_data, names)
        if packet.HasField("track_descriptor"):
            lanes[packet.track_descriptor.uuid] = Lane(packet.track_descriptor)
        if not packet.HasField("track_event"):
            continue
        event, lane, at = packet.track_event, lanes[packet.track_event.track_uuid], packet.timestamp
        assert at >= latest, "time goes on"
        latest = at
        name = event.name or names["event_names"].get(event.name_iid)
        assert all(iid in names["event_categories"] for iid in event.category_iids)
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            lane.open.append((at, name, annotations(event, names)))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            began, name, said = lane.open.pop()
            lane.slices.append((began, at, len(lane.open), name, said))
        elif event.type == TrackEvent.TYPE_COUNTER:
            lane.numbers.append((at, event.counter_value))
        else:
            lane.marks.append((at, name, annotations(event, names)))
        lane.leaves.update(dict.fromkeys(event.flow_ids, at))
        lane.arrives.update(dict.fromkeys(event.terminating_flow_ids, at))
    assert not any(lane.open for lane in lanes.values()), "every slice has an end"
    return {lane.name: lane for lane in lanes.values()}


@pytest.fixture
def recorded(folder):
    """What the report of a program has as JSON, and its trace."""
    place = folder({"app.py": PROGRAM})
    assert run([*RADDLE, "--record", "app.rec", "app.py"], place).status == 0
    recording = json.loads(run([*COMMAND, "report", "--json", "app.rec"], place).out)
    told = subprocess.run([*COMMAND, "report", "--perfetto", "app.rec"], cwd=place, capture_output=True, check=True)
    assert told.stderr == b""
    trace = Trace()
    trace.ParseFromString(told.stdout)
    return recording, trace


def test_perfetto_reads_what_was_recorded(recorded):
    recording, trace = recorded
    [process] = [p.track_descriptor for p in trace.packet if p.track_descriptor.HasField("process")]
    assert (process.process.pid, process.process.process_name) == (recording["process"], "app.py")
    assert process.child_ordering == TrackDescriptor.EXPLICIT
    threads = [p.track_descriptor.thread for p in trace.packet if p.track_descriptor.HasField("thread")]
    assert [thread.thread_name for thread in threads] == ["MainThread", "waits", "holds"]
    assert {thread.pid for thread in threads} == {process.process.pid} == {threads[0].tid}
    assert len({thread.tid for thread in threads}) == 3
    lanes = read(trace)
    assert [lanes[thread.thread_name].rank for thread in threads] == [0, 1, 2]

    for thread in recording["threads"]:
        waits = [slice for slice in lanes[thread["name"]].slices if slice[3] != "alive" and slice[2] == 1 and slice[4]]
        assert len(waits) == len(thread["waits"])
        for (began, ended, *_), wait in zip(waits, thread["waits"], strict=True):
            assert (began / 1e9, ended / 1e9) == pytest.approx((wait["from"], wait["to"]))
        [(began, ended, depth, _, said)] = [slice for slice in lanes[thread["name"]].slices if slice[3] == "alive"]
        assert (depth, began / 1e9, ended / 1e9) == (
            0,
            pytest.approx(thread["began"]),
            pytest.approx(thread["ended"] or recording["until"]),
        )
        assert said["end"] == (thread["how"] or "no end was recorded")


def test_slices_of_a_lane_do_not_overlap(recorded):
    for lane in read(recorded[1]).values():
        lane.slices.sort()
        inner = [slice for slice in lane.slices if slice[2] == 1]
        assert all(depth <= 1 for _, _, depth, *_ in lane.slices)
        assert all(one[1] <= other[0] for one, other in zip(inner, inner[1:], strict=False)), lane.name


def by_name(recording):
    return {thread["name"]: thread for thread in recording["threads"]}


def test_an_arrow_goes_from_who_held_the_lock_to_who_woke(recorded):
    lanes = read(recorded[1])
    holds, waits = lanes["holds"], lanes["waits"]
    [(began, ended, _, _, said)] = [slice for slice in waits.slices if slice[3] == "Lock 'lock'"]
    assert said == {
        "at": "app.py:15 in waits",
        "held by": "'holds'",
        "which was at": "app.py:9 in holds",
        "timed": False,
    }
    [wait] = [wait for wait in by_name(recorded[0])["waits"]["waits"] if wait["for"] == "lock"]
    assert (began, ended) == (pytest.approx(wait["from"] * 1e9, abs=1), pytest.approx(wait["to"] * 1e9, abs=1))
    [(flow, at)] = waits.arrives.items()
    assert (at, holds.leaves[flow]) == (ended, at)
    assert (at, "held Lock 'lock'", {"woken": "'waits'"}) in holds.marks

    main = lanes["MainThread"]
    assert sorted(main.arrives) == sorted(set(holds.leaves) - {flow} | set(waits.leaves)), "it joined both"


def test_deaths_verdicts_and_numbers_are_marked(recorded):
    recording, trace = recorded
    lanes = read(trace)
    [died] = [said for _, name, said in lanes["holds"].marks if name == "died"]
    assert died == {"error": "ValueError: no such account"}
    [(at, name, said)] = lanes["verdicts"].marks
    [verdict] = recording["verdicts"]
    assert (at / 1e9, said["code"], said["likely"]) == (pytest.approx(verdict["at"]), "RD003", False)
    assert name == "error[RD003]: 'holds' died: ValueError: no such account" and said["text"].startswith(f"{name}\n")
    assert max(lanes["threads"].numbers, key=lambda number: number[1])[1] == 3
    assert lanes["threads that wait"].numbers[-1][1] == 0
