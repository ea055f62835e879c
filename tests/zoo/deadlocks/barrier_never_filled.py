"""Two threads at a barrier for three."""

import threading
import time

meeting = threading.Barrier(3)


def attend():
    print(f"step {time.monotonic()}", flush=True)
    meeting.wait()  # waits: attendant


threads = [threading.Thread(target=attend, name=f"attendant-{number}") for number in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
