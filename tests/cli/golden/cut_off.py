import threading
import time


def write_log():
    with open("log.txt", "w") as log:
        for number in range(1_000_000):
            log.write(f"line {number}\n")
            time.sleep(0.01)


threading.Thread(target=write_log, name="log-writer", daemon=True).start()
time.sleep(0.5)
