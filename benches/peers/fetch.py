"""A client for one export over HTTP that costs next to nothing.

Called as `fetch.py PORT PATH [FILE]`, with the key on standard input. Without a file the body is
thrown away as it comes, chunk heads and all. Prints one line of JSON: the seconds from before the
connection until the end and until the first byte of the body, and how many bytes came.
"""

import json
import socket
import sys
import time

BUFFER_BYTES = 1 << 20
HEAD_END = b"\r\n\r\n"
# The last chunk; a server that breaks off does not send it.
BODY_END = b"0\r\n\r\n"


def throw_away(port, path, key):
    view = memoryview(bytearray(BUFFER_BYTES))
    request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
               f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n")
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.encode())
        head = b""
        while HEAD_END not in head:
            part = connection.recv(BUFFER_BYTES)
            if not part:
                sys.exit("the server left before the end of its head")
            head += part
        head, _, body = head.partition(HEAD_END)
        if not head.startswith(b"HTTP/1.1 200 "):
            sys.exit((head.splitlines()[0] + b" " + body).decode(errors="replace"))
        first_byte = time.perf_counter() - started if body else None
        received, last = len(body), body[-len(BODY_END):]
        while count := connection.recv_into(view):
            if first_byte is None:
                first_byte = time.perf_counter() - started
            received += count
            last = (last + bytes(view[max(0, count - len(BODY_END)):count]))[-len(BODY_END):]
    seconds = time.perf_counter() - started
    if last != BODY_END:
        sys.exit("the body broke off")
    return {"seconds": seconds, "first_byte_s": first_byte, "bytes": received}


def save(port, path, key, out):
    import http.client
    import shutil
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"{answer.status} {answer.read().decode(errors='replace')}")
    with open(out, "wb") as file:
        # It raises when the last chunk does not come.
        shutil.copyfileobj(answer, file, BUFFER_BYTES)
        return {"bytes": file.tell()}


def main():
    port, path, *out = sys.argv[1:]
    key = sys.stdin.read().strip()
    print(json.dumps((save if out else throw_away)(int(port), path, key, *out)))


if __name__ == "__main__":
    main()
