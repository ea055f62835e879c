"""A pipeline: one thread reads records, four parse them, one adds them up, with short queues in between."""

import json
import queue
import threading

RECORDS, PARSERS, ROOM = 150_000, 4, 64
END = None


def read(lines):
    for number in range(RECORDS):
        lines.put(f'{{"number": {number}, "tags": ["a", "b"], "price": 1.5}}')
    for _ in range(PARSERS):
        lines.put(END)


def parse(lines, records):
    while (line := lines.get()) is not END:
        records.put(json.loads(line))
    records.put(END)


def main():
    lines, records = queue.Queue(ROOM), queue.Queue(ROOM)
    threads = [threading.Thread(target=read, args=(lines,))]
    threads += [threading.Thread(target=parse, args=(lines, records)) for _ in range(PARSERS)]
    for thread in threads:
        thread.start()
    total, running = 0, PARSERS
    while running:
        record = records.get()
        if record is END:
            running -= 1
        else:
            total += record["number"]
    for thread in threads:
        thread.join()
    print(total)


main()
