"""SQLAlchemy's QueuePool: eight threads share four connections to a sqlite file, read mostly and write now and then."""

import tempfile
import threading
from pathlib import Path

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import QueuePool

THREADS, CONNECTIONS, TURNS, ACCOUNTS = 8, 4, 1_000, 100
READ = text("SELECT balance FROM account WHERE id = :id")
WRITE = text("UPDATE account SET balance = balance + 1 WHERE id = :id")


def work(engine, number, writing):
    for turn in range(TURNS):
        account = {"id": (number * 31 + turn) % ACCOUNTS}
        with engine.connect() as connection:
            connection.execute(READ, account).scalar_one()
        if turn % 20 == 0:
            with writing, engine.begin() as connection:
                connection.execute(WRITE, account)


def main():
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'accounts.db')}"
        engine = create_engine(url, poolclass=QueuePool, pool_size=CONNECTIONS, max_overflow=0)
        # The disk is not what is measured here.
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        with engine.begin() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))
            connection.execute(text("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)"))
            connection.execute(text("INSERT INTO account VALUES (:id, 0)"), [{"id": id} for id in range(ACCOUNTS)])
        writing = threading.Lock()
        threads = [threading.Thread(target=work, args=(engine, number, writing)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with engine.connect() as connection:
            print(connection.execute(text("SELECT sum(balance) FROM account")).scalar_one())
        engine.dispose()


main()
