"""verify.py EVENTS.ndjson PROOF.json KEY: checks an export from one log, offline. KEY is the public
key of the lake or the log, as text. Ends with 3 unless it is proved that each event is in the log,
and, if the export claims to be complete, that all of some positions are here; it looks at no times.
docs/rfcs/0003-proofs.md describes the format."""
import hashlib, json, sys
from base64 import b64decode

def check(holds, reason):
    if not holds:
        sys.exit(print("NOT GOOD:", reason) or 3)

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def subtree(known, nodes, start, size):
    """RFC 6962, 2.1. Of what has no known leaf, the proof has the largest perfect subtrees."""
    if (not known or known[-1][0] >= start + size) and size & (size - 1) == 0:
        return nodes.pop() if nodes else b""
    if size == 1:
        seq, leaf = known.pop()
        return leaf if seq == start else b""
    left = 1 << ((size - 1).bit_length() - 1)
    return sha256(b"\1", subtree(known, nodes, start, left),
                  subtree(known, nodes, start + left, size - left))

def verify(events, proof, key):
    name, key_id, key = key.split("+", 2)
    key, log = b64decode(key), proof["logs"][0]
    check(key_id == sha256(name.encode(), b"\n", key)[:4].hex() and len(key) == 33 and key[0] == 1,
          "KEY is no Ed25519 key (name+id+base64)")
    check(proof["proof_version"] == 1 == len(proof["logs"]), "the proof is not one of a single log")
    text, _, signatures = log["checkpoint"].partition("\n\n")  # C2SP signed-note, tlog-checkpoint
    origin, size, root = text.split("\n")[:3]
    check(name in (origin, origin.rpartition("/")[0]), f"KEY is not that of {origin!r}")
    signatures = [line.split(" ")[2] for line in signatures.split("\n") if f"— {origin} " in line]
    check(any(is_signed(key[1:], f"{text}\n".encode(), b64decode(one)[4:]) for one in signatures),
          "the checkpoint is not signed by KEY")
    known = [(int(json.loads(line, parse_int=str)["seq"]), sha256(b"\0", line.removesuffix(b"\n")))
             for line in events]  # Python would refuse numbers of thousands of digits
    said = f"GOOD: {len(known)} events, unchanged, of the log {origin} with {size} events"
    if proof["claim"] == "complete":
        done, start, end = log["complete"], log["complete"]["from"], log["complete"]["to"]
        check(0 <= start <= end <= int(size) and all(start <= seq < end for seq, _ in known)
              and len(known) == end - start, f"these are not all from seq {start} to before {end}")
        said += f", all that it has from seq {start} to before {end}"
        known += [(seq, sha256(b"\0", done[side].encode()))  # shown for times: two more leaves
                  for side, seq in (("before", start - 1), ("after", end)) if side in done]
    known.sort(reverse=True)
    nodes = b64decode(log["nodes"])
    nodes = [nodes[at:at + 32] for at in range(0, len(nodes), 32)][::-1]
    is_root = subtree(known, nodes, 0, int(size)) == b64decode(root)
    check(is_root and not known and not nodes, "events or proof were changed, added or removed")
    return said

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
    check(y < P and x * x % P == square, "a key or a signature is no point of the curve")
    return (x if x % 2 == data[31] >> 7 else P - x, y)

def is_signed(key, text, signature):
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    return s < ORDER and times(s, point(BASE)) == add(point(signature[:32]), times(k, point(key)))

if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as events, open(sys.argv[2], "rb") as proof:
            print(verify(events, json.load(proof), sys.argv[3]))
    except Exception as error:  # whatever it is, nothing is proved
        check(False, f"something cannot be read: {error!r}")
