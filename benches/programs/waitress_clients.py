"""A waitress server of four threads and sixteen clients that keep their connections, all in one process."""

import http.client
import logging
import threading

from waitress.server import create_server

CLIENTS, REQUESTS = 16, 250


def application(environ, start_response):
    body = b"hello " + environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def ask(port, answers):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(REQUESTS):
        connection.request("GET", f"/{number}")
        answers.append(connection.getresponse().read())
    connection.close()


def main():
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(application, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    answers = []
    clients = [threading.Thread(target=ask, args=(server.effective_port, answers)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    print(len(answers), len(set(answers)))
    server.task_dispatcher.shutdown()


main()
