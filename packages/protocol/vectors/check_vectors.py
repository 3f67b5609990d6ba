#!/usr/bin/env python3
"""Proves golden.json with Python's standard library alone: a second implementation of the wire contract."""

import hashlib
import json
import re
import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

RESERVED = set(".*>%") | {chr(code) for code in range(0x21)}


def parse_id(raw):
    match = re.fullmatch(r"[ \t]*([!-~]{1,128})[ \t]*", raw) if isinstance(raw, str) else None
    return match[1] if match else None


def parse_attempt(raw):
    if isinstance(raw, bool) or not isinstance(raw, (str, int)):
        return None
    if isinstance(raw, str):
        raw = int(raw) if re.fullmatch(r"[1-9][0-9]{0,15}", raw := parse_id(raw) or "") else 0
    return raw if 1 <= raw < 2**53 else None


def encode_token(value):
    if not value:
        return "-"
    if value == "-":
        return "%2D"
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode()) if char in RESERVED or ord(char) >= 0x7F else char
        for char in value
    )


def encode_subject(workflow_id, execution_id, producer):
    return ".".join(["auditEvent", *map(encode_token, (workflow_id, execution_id, producer))])


def decode_subject(subject):
    tokens = subject.split(".")
    if len(tokens) != 4:
        return None
    try:
        parts = [None if token == "-" else unescape(token) for token in tokens[1:]]
    except ValueError:
        return None
    if parts[2] is None or encode_subject(*parts) != subject:
        return None
    named = zip(("workflow_id", "workflow_execution_id", "producer"), parts)
    return {name: value for name, value in named if value is not None}


def unescape(token):
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), token.encode())
    return raw.decode()


def is_event_name(name):
    return len(name) <= 128 and re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) is not None


def timestamp(seconds, nanos):
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{nanos // 1000:06d}Z"


def canonical(value):
    """RFC 8785."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return es_number(float(value))
    return json.dumps(value, ensure_ascii=False)


def es_number(value):
    """A number as ECMAScript writes it: the shortest digits that read back, as Python finds them too."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if 0 < point <= 21:
        body = text + "0" * exponent if exponent >= 0 else f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        body = text[0] + ("." + text[1:] if len(text) > 1 else "") + f"e{point - 1:+d}"
    return "-" * sign + body


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_chain(texts):
    count, head, run_id = 0, "0" * 64, None
    for index, text in enumerate(texts):
        try:
            event = json.loads(text)
        except ValueError:
            return {"status": "broken", "index": index, "cause": "unparsable"}
        run_id = run_id or event["run_id"]
        for field, expected in (("run_id", run_id), ("seq", count + 1), ("prev_hash", head)):
            if event[field] != expected:
                return {"status": "broken", "index": index, "cause": field}
        count, head = count + 1, sha256(text.encode())
    return {"status": "ok", "count": count, "head": head}


def message_id(text):
    event = json.loads(text)
    return f"{event['run_id']}:{event['seq']}:{sha256(text.encode())[:16]}"


def cases(golden):
    """Every claim of the file: what it is about, what it says, what this program says."""
    for case in golden["ids"]:
        yield "id", case["id"], parse_id(case["raw"])
    for case in golden["attempts"]:
        yield "attempt", case["attempt"], parse_attempt(case["raw"])
    for case in golden["subjects"]:
        parts = case["parts"]
        encoded = encode_subject(parts.get("workflow_id"), parts.get("workflow_execution_id"), parts["producer"])
        yield "subject", case["subject"], encoded
        yield "parts", parts, decode_subject(case["subject"])
    for subject in golden["not_subjects"]:
        yield "no subject", None, decode_subject(subject)
    for name in golden["event_names"]:
        yield "event name", True, is_event_name(name)
    for name in golden["not_event_names"]:
        yield "no event name", False, is_event_name(name)
    for case in golden["timestamps"]:
        yield "timestamp", case["text"], timestamp(case["seconds"], case["nanos"])
    yield from sealed_cases(golden["seal"])
    yield from signed_cases(golden["signed"])
    for case in golden["chains"]:
        yield f"chain: {case['what']}", case["verdict"], check_chain(case["events"])
    for case in golden["conflicts"]:
        for content in case["contents"]:
            yield "conflict", content["message_id"], message_id(content["text"])
    for case in golden["canonical"]:
        yield "canonical", case["text"], canonical(case["value"])


def sealed_cases(seal):
    head = seal["genesis"]
    for number, case in enumerate(seal["events"], start=1):
        run_id = seal["run_id"]
        structure = {"schema_version": "1.0", "run_id": run_id, "seq": number, "prev_hash": head, "correlation_id": run_id}
        yield "sealed event", {**case["draft"], **structure}, json.loads(case["text"])
        yield "sha256", case["sha256"], sha256(case["text"].encode())
        yield "event id", case["event_id"], f"{run_id}:{number}"
        yield "message id", case["message_id"], message_id(case["text"])
        head = case["sha256"]


def signed_cases(signed):
    head, run = "0" * 64, None
    for case in signed["events"]:
        event = json.loads(case["text"])
        head = head if run == case["envelope"] else "0" * 64
        run = case["envelope"]
        yield "signed event: link", head, event["prev_hash"]
        yield "signed event: last members", ["kid", "sigp", "sig"], list(event)[-3:]
        yield "signed event: kid", signed["jwk"]["kid"], event["kid"]
        yield "signed event: covered", case["covered"], canonical({name: event[name] for name in event if name != "sig"})
        yield "signed event: draft", case["draft"], draft_of(event)
        head = sha256(case["text"].encode())


def draft_of(event):
    """What the application gave, from either form of the envelope."""
    fields = dict(event.get("fields", {}))
    if "run_id" not in event:
        event = {**event, **fields.pop("spanledger")}
    draft = {**event, "fields": fields}
    for name in ("schema_version", "run_id", "seq", "prev_hash", "correlation_id", "kid", "sigp", "sig"):
        del draft[name]
    return draft


def main():
    golden = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))
    checked, wrong = 0, 0
    for about, expected, actual in cases(golden):
        checked += 1
        if expected != actual:
            wrong += 1
            print(f"{about}: expected {expected!r}, got {actual!r}")
    print(f"{checked} vectors checked, {wrong} wrong")
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
