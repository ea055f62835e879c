"""Three threads, three locks, each thread takes the next lock: no two of them disagree, all three do."""

import threading

north = threading.Lock()
east = threading.Lock()
south = threading.Lock()


def pass_on(mine, next_one):
    with mine:  # first: all
        with next_one:  # second: all
            pass


for number, pair in enumerate(((north, east), (east, south), (south, north))):
    thread = threading.Thread(target=pass_on, args=pair, name=f"station-{number}")
    thread.start()
    thread.join()
