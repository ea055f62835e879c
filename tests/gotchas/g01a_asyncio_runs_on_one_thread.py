"""asyncio runs a hundred tasks: on how many threads, in how many processes?

id: 1a
claim: asyncio is an abstraction over threads and processes, and can switch to processes.
today: half: its tasks share one thread; others are used only through executors
stdlib: 100 tasks at once, 1 thread, 1 process
raddle: 100 tasks at once, 1 thread, 1 process
"""

import asyncio
import os


def scene(threading):
    seen, running, most = set(), [], []

    async def task():
        running.append(1)
        most.append(len(running))
        seen.add((os.getpid(), threading.get_ident()))
        await asyncio.sleep(0.05)
        running.pop()

    async def main():
        await asyncio.gather(*(task() for _ in range(100)))

    asyncio.run(main())
    processes = {process for process, _ in seen}
    return f"{max(most)} tasks at once, {len(seen)} thread, {len(processes)} process"
