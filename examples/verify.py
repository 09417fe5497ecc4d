"""Checks an NDJSON export offline: verify.py EVENTS.ndjson[.gz] PROOF.json [KEY], with Python's own
library alone. Prints what it proved, or ends with 3. docs/rfcs/0003-proofs.md has the details."""
import base64, bisect, collections, gzip, hashlib, json, re, sys, urllib.parse

TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z"  # sorts as the times do

def check(holds, reason):
    if not holds:
        sys.exit(print("NOT GOOD:", reason) or 3)

def short(digits):
    """A number of an event: Python refuses those of thousands of digits, which data may have."""
    return int(digits) if len(digits) < 99 else float("inf")

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def subtree(leaves, places, nodes, start, size):
    """RFC 6962, 2.1. Of what has no known leaf, the proof has the largest perfect subtrees."""
    is_gap = bisect.bisect_left(places, start) == bisect.bisect_left(places, start + size)
    if is_gap and size & (size - 1) == 0:
        return next(nodes, b"")
    if size == 1:
        return leaves[start]
    left = 1 << ((size - 1).bit_length() - 1)
    return sha256(b"\1", subtree(leaves, places, nodes, start, left),
                  subtree(leaves, places, nodes, start + left, size - left))

def check_log(claim, log, leaves, keys):
    tenant, ranges, claimed = log["tenant_id"], log["ranges"], "nothing is said of other events"
    rows = len(leaves)
    text, _, signatures = log["checkpoint"].partition("\n\n")  # C2SP signed-note, tlog-checkpoint
    origin, size, root = text.split("\n")[0], int(text.split("\n")[1]), text.split("\n")[2]
    lake = origin.removesuffix("/" + urllib.parse.quote(tenant, safe=""))
    check(lake != origin, f"the checkpoint of {tenant} is that of another log")
    signers = [key for key in keys or log["keys"] for line in signatures.splitlines()
               if key.split("+")[0] in (lake, origin) and line.split(" ")[1] == origin
               and is_signed(base64.b64decode(key.split("+", 2)[2])[1:], f"{text}\n".encode(),
                             base64.b64decode(line.split(" ")[2])[4:])]
    check(signers, f"the checkpoint of {tenant} is not signed by the key")
    # No leaf but those from 0 to before the size comes to bear on the root.
    check(all(type(seq) is int and 0 <= seq < size for seq in leaves),
          f"there is an event of {tenant} that its log of {size} events has no place for")
    check(rows == log["rows"] == sum(end - start for start, end in ranges)
          and all(seq in leaves for start, end in ranges for seq in range(start, end)),
          f"events of {tenant} are missing, or others than those of the proof were added")
    if claim == "complete":
        done = log["complete"]
        is_all = ranges == [[done["from"], done["to"]]] * (done["from"] < done["to"])
        check(is_all and 0 <= done["from"] <= done["to"] <= size,
              f"what is claimed of {tenant} is not all there")
        claimed = f"all from seq {done['from']} to before {done['to']}"
        for side, bound, seq in [("before", "recorded_from", done["from"] - 1),
                                 ("after", "recorded_to", done["to"])]:
            line, time = done.get(side), done.get(bound)
            check(time is None or re.fullmatch(TIME, time), f"{bound} is no time as a log has it")
            claimed += f", {bound} {time}" if time else ""
            check(line or not time or seq in (-1, size), f"the event {side} the range is not shown")
            if line:  # a leaf too: it tells that the range does not go on within the claimed time
                event, leaves[seq] = json.loads(line, parse_int=short), sha256(b"\0", line.encode())
                check((event["tenant_id"], event["seq"]) == (tenant, seq)
                      and (not time or (event["recorded_at"] < time) == (side == "before")),
                      f"the event {side} the range is not one that ends it")
    nodes = base64.b64decode(log["nodes"])
    nodes = iter([nodes[at:at + 32] for at in range(0, len(nodes), 32)])
    is_root = base64.b64decode(root) == subtree(leaves, sorted(leaves), nodes, 0, size)
    check(is_root and next(nodes, None) is None, f"an event of {tenant} or the proof was changed")
    return (f"GOOD: {rows} events of {tenant} are in its log of {size} events, unchanged; "
            f"{claimed}; signed by {signers[0]}" + ("" if keys else ", which came with the proof"))

def main(path, proof_path, *keys):
    logs, opened = collections.defaultdict(dict), gzip.open if path.endswith(".gz") else open
    for number, line in enumerate(opened(path, "rb"), 1):
        event = json.loads(line, parse_int=short)
        leaves, seq = logs[event["tenant_id"]], event["seq"]
        check(seq not in leaves, f"line {number}: there is an event with seq {seq} already")
        leaves[seq] = sha256(b"\0", line.removesuffix(b"\n"))  # a leaf is a line without its end
    with open(proof_path, "rb") as file:
        proof = json.load(file)
    proved = [check_log(proof["claim"], log, logs.pop(log["tenant_id"], {}), keys)
              for log in proof["logs"]]
    check(not logs, f"there are events of {', '.join(logs)}, of which the proof says nothing")
    print(*proved or ["GOOD: there is no event, and nothing to prove"], sep="\n")

# Ed25519 (RFC 8032, 5.1), which other languages have in a library: y*y - x*x = 1 + D*x*x*y*y
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, BASE = -121665 * pow(121666, -1, P) % P, b"\x58" + b"\x66" * 31

def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1]
    return ((a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, P) % P,
            (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P)

def times(n, a):
    return (0, 1) if n == 0 else add(a, times(n - 1, a)) if n % 2 else times(n // 2, add(a, a))

def point(data):
    y = int.from_bytes(data, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, P // 4, P) % P
    check(x * x % P == square, "a key or a signature is no point of the curve")
    return (x if x % 2 == data[31] >> 7 else P - x, y)

def is_signed(key, text, signature):
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    return s < ORDER and times(s, point(BASE)) == add(point(signature[:32]), times(k, point(key)))

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ArithmeticError, EOFError, LookupError, OSError, TypeError, ValueError) as error:
        check(False, f"something cannot be read: {error!r}")
