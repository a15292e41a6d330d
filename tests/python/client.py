"""A client of a Kring relay that shares no code with Kring: what it knows, it knows from docs/protocol.md.

The page's CDDL block and its table of refusals are read when it starts: every frame that it sends or receives is checked
against that CDDL, and numbers of messages and refusals are looked up by their names there. It connects two devices,
opens a group's log, appends, follows, commits, misuses the relay in every way that the page names a refusal for, and
says after each step what held. It ends with 1 at the first thing that does not.

    python client.py PROTOCOL.MD HOST:PORT SERVER_NAME ROOT.PEM DEVICE.PEM DEVICE.KEY DEVICE2.PEM DEVICE2.KEY ADDRESS2
"""

import asyncio
import hashlib
import hmac
import os
import re
import socket
import struct
import sys

import cbor2
import pycddl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from qh3 import tls
from qh3.asyncio.protocol import QuicConnectionProtocol
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection
from qh3.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset

PATIENCE = 60  # seconds for anything that must happen


class Page:
    """docs/protocol.md, as far as a program can read it."""

    def __init__(self, path):
        text = open(path, encoding="utf-8").read()
        self.cddl = re.search(r"```cddl\n(.*?)```", text, re.S).group(1)
        self.schemas = {root: pycddl.Schema(f"start = {root}\n{self.cddl}") for root in ("request", "reply", "push")}
        self.numbers = {root: self.choices(root) for root in self.schemas}
        table = text[text.index("## Refusals") : text.index("## Limits")]
        self.refusals = {name: int(number) for number, name in re.findall(r"^\| (\d+) \| (\w+) \|", table, re.M)}
        example = text[text.index("Worked example") :]
        self.example = dict(re.findall(r"^(\w+) +([0-9a-f]+)$", example[: example.index("`frame` is")], re.M))

    def choices(self, root):
        rule = re.search(rf"^{root} +=(.*?)\n\n", self.cddl, re.S | re.M).group(1)
        return {name: int(number) for number, name in re.findall(r"\[(\d+), ([a-z-]+)\]", rule)}

    def name(self, root, number):
        return {value: name for name, value in self.numbers[root].items()}[number]


def check(held, what):
    if not held:
        print(f"FAILED: {what}", flush=True)
        sys.exit(1)
    print(f"held: {what}", flush=True)


def canonical(message):
    """The shortest encodings, and maps in the order in which they were made."""
    return cbor2.dumps(message)


def frame(body):
    return struct.pack(">I", len(body)) + body


def frames(data):
    """Whole frames at the front, and what is left."""
    found = []
    while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
        length = struct.unpack(">I", data[:4])[0]
        found.append(bytes(data[4 : 4 + length]))
        data = data[4 + length :]
    return found, data


# TLS exporter (RFC 8446 section 7.5). The library derives the traffic secrets of the application at exactly the place in
# the transcript at which the exporter's secret is derived too.

derive_secret = tls.KeySchedule.derive_secret


def derive_and_keep(schedule, label):
    if label == b"c ap traffic":
        schedule.exporter_master = derive_secret(schedule, b"exp master")
    return derive_secret(schedule, label)


tls.KeySchedule.derive_secret = derive_and_keep


def expand_label(digest, secret, label, context, length):
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + bytes([len(context)]) + context
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(secret, block + info + bytes([counter]), digest).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def export(schedule, label, context, length):
    digest = f"sha{schedule.algorithm}"
    hashed = lambda data: hashlib.new(digest, data).digest()
    secret = expand_label(digest, schedule.exporter_master, label, hashed(b""), schedule.digest_size)
    return expand_label(digest, secret, b"exporter", hashed(context), length)


def proof_text(exporter, group, epoch):
    return b"kring access proof 1" + exporter + group + struct.pack(">Q", epoch)


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


# MLS framing (RFC 9420 sections 2.1.2, 6 and 6.3)


def vector(data):
    if len(data) < 64:
        return bytes([len(data)]) + data
    if len(data) < 16384:
        return struct.pack(">H", 0x4000 | len(data)) + data
    return struct.pack(">I", 0x80000000 | len(data)) + data


def private_message(group, epoch, content_type, ciphertext, wire_format=2):
    clear = struct.pack(">HH", 1, wire_format) + vector(group) + struct.pack(">QB", epoch, content_type)
    return clear + vector(b"") + vector(os.urandom(28)) + vector(ciphertext)


APPLICATION, PROPOSAL, COMMIT = 1, 2, 3


class Log:
    """A group as somebody knows it who holds the access keys of its epochs."""

    def __init__(self):
        self.group = os.urandom(16)
        self.keys = {}

    def key(self, epoch):
        return self.keys.setdefault(epoch, Ed25519PrivateKey.generate())


class Device(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, quic, stream_handler=None):
        super().__init__(quic, stream_handler)
        self.data, self.ended, self.changed = {}, set(), asyncio.Condition()
        self.push_stream, self.pushed = None, b""
        self.lost = False

    def quic_event_received(self, event):
        super().quic_event_received(event)
        if isinstance(event, StreamDataReceived):
            self.data[event.stream_id] = self.data.get(event.stream_id, b"") + event.data
            if event.end_stream:
                self.ended.add(event.stream_id)
            if event.stream_id % 4 == 3:
                self.push_stream = event.stream_id
        elif isinstance(event, StreamReset):
            self.ended.add(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.lost = True
        asyncio.ensure_future(self.wake())

    async def wake(self):
        async with self.changed:
            self.changed.notify_all()

    async def until(self, what, ready):
        async def waiting():
            async with self.changed:
                await self.changed.wait_for(lambda: ready() or self.lost)

        try:
            await asyncio.wait_for(waiting(), PATIENCE)
        except asyncio.TimeoutError:
            check(False, f"{what} came")
        check(ready(), f"{what} came") if not ready() else None

    async def raw(self, body):
        """Sends bytes as a frame's body on a stream of its own; gives the replies."""
        return await self.bytes(frame(body))

    async def bytes(self, data):
        stream = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(stream, data, end_stream=True)
        self.transmit()
        await self.until("an answer", lambda: stream in self.ended)
        bodies, rest = frames(self.data.pop(stream, b""))
        if rest:
            check(False, "an answer is whole frames")
        for body in bodies:
            page.schemas["reply"].validate_cbor(body)
        return [(page.name("reply", number), fields) for number, fields in map(cbor2.loads, bodies)]

    async def ask_all(self, name, fields):
        body = canonical([page.numbers["request"][name], fields])
        page.schemas["request"].validate_cbor(body)
        return await self.raw(body)

    async def ask(self, name, fields):
        replies = await self.ask_all(name, fields)
        if len(replies) != 1:
            check(False, f"{name} has one answer, not {replies}")
        return replies[0]

    async def push(self):
        """The next push."""
        def whole():
            data = self.pushed + self.data.get(self.push_stream, b"")
            return len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]

        await self.until("a push", whole)
        data = self.pushed + self.data.pop(self.push_stream, b"")
        length = 4 + struct.unpack(">I", data[:4])[0]
        body, self.pushed = data[4:length], data[length:]
        page.schemas["push"].validate_cbor(bytes(body))
        number, fields = cbor2.loads(body)
        return page.name("push", number), fields

    def exporter(self):
        return export(self._quic.tls.key_schedule, b"EXPORTER-kring access 1", b"", 32)

    def access(self, log, epoch, key=None, proof=True):
        fields = {0: log.group, 1: epoch}
        if proof:
            fields[2] = (key or log.key(epoch)).sign(proof_text(self.exporter(), log.group, epoch))
        return fields

    async def hello(self):
        return await self.ask("hello", {0: 1})

    async def submit(self, log, epoch, message, operation=None, **access):
        fields = {0: self.access(log, epoch, **access), 1: operation or os.urandom(16), 2: message}
        return await self.ask("submit", fields)


async def connect(where, name, root, chain, key, alpn="kring/1"):
    host, port = where.rsplit(":", 1)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[alpn], server_name=name, idle_timeout=120)
    configuration.load_verify_locations(cafile=root)
    configuration.load_cert_chain(chain, key)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    _, device = await loop.create_datagram_endpoint(lambda: Device(QuicConnection(configuration=configuration)), sock=udp)
    device.connect((host, int(port)))
    await asyncio.wait_for(device.wait_connected(), PATIENCE)
    return device


def refused(reply, name):
    return reply[0] == "refusal" and reply[1][0] == page.refusals[name]


def worked_example():
    example = {name: bytes.fromhex(value) for name, value in page.example.items() if name != "epoch"}
    key = Ed25519PrivateKey.from_private_bytes(example["seed"])
    text = proof_text(example["exporter"], example["group"], int(page.example["epoch"]))
    check(text == example["signed"] and public(key) == example["key"], "the worked example's key and signed text")
    check(key.sign(text) == example["proof"], "the worked example's proof")
    body = canonical([page.numbers["request"]["read"], {0: {0: example["group"], 1: 7, 2: key.sign(text)}, 1: 3, 2: 65536}])
    check(frame(body) == example["frame"], "the worked example's frame")


async def groups(first, second):
    log = Log()
    operation = os.urandom(16)
    opening = {0: first.access(log, 0), 1: operation, 2: public(log.key(0))}
    reply = await first.ask("create-group", opening)
    check(reply[0] == "receipt" and reply[1][0] == 0, "a group is opened, with receipt number 0")
    again = await first.ask("create-group", opening)
    check(again == reply, "the same creation again has the same receipt")
    other = dict(opening) | {1: os.urandom(16)}
    check(refused(await first.ask("create-group", other), "GroupExists"), "a group exists once (GroupExists)")
    asked = await first.ask("find-receipt", {0: first.access(log, 0), 1: operation, 2: bytes(32)})
    check(asked == reply, "a creation's receipt can be asked for with a hash of zeros")

    message, operation = private_message(log.group, 0, APPLICATION, os.urandom(100)), os.urandom(16)
    receipt = await first.submit(log, 0, message, operation)
    check(receipt[0] == "receipt" and receipt[1][0] == 1, "the first submission is record 1")
    check(await first.submit(log, 0, message, operation) == receipt, "the same submission again has the same receipt")
    changed = private_message(log.group, 0, APPLICATION, b"another")
    check(refused(await first.submit(log, 0, changed, operation), "OperationReused"), "an operation id is of one message (OperationReused)")
    asked = {0: first.access(log, 0), 1: operation, 2: hashlib.sha256(message).digest()}
    check(await first.ask("find-receipt", asked) == receipt, "a receipt can be asked for")
    asked[1] = os.urandom(16)
    check(refused(await first.ask("find-receipt", asked), "NoReceipt"), "what was not submitted has no receipt (NoReceipt)")
    bare = await first.submit(log, 0, private_message(log.group, 0, PROPOSAL, b"p"), proof=False)
    check(bare[0] == "receipt", "a proof is needed once on a connection; a proposal is taken as well")

    following = await second.ask_all("follow", {0: second.access(log, 0), 1: 7, 2: 0})
    records = [fields for kind, fields in following if kind == "record"]
    check([record[0] for record in records] == [1, 2], "the backlog is every record in order")
    check(records[0][2] == operation and records[0][3] == message, "a record is what was submitted, byte for byte")
    check(following[-1] == ("live", {0: 2}), "then the subscription is live after the last of them")
    live = private_message(log.group, 0, APPLICATION, b"live")
    await first.submit(log, 0, live)
    kind, delivery = await second.push()
    check(kind == "delivery" and delivery[0] == 7, "what comes next is pushed, with the subscription's number")
    record = cbor2.loads(delivery[1])
    check(record[0] == 3 and record[3] == live, "a delivery holds the CBOR of its record")

    cursor = os.urandom(16)
    held = await first.ask("register-cursor", {0: first.access(log, 0), 1: cursor, 2: 0})
    check(held == ("empty", {}), "a cursor is registered under a proof")
    moved = await second.ask("move-cursors", {0: [{0: log.group, 1: cursor, 2: 2}]})
    check(moved == ("empty", {}), "whoever knows a cursor may move it")
    moved = await second.ask("move-cursors", {0: [{0: log.group, 1: os.urandom(16), 2: 2}]})
    check(refused(moved, "UnknownCursor"), "an unknown cursor is refused (UnknownCursor)")

    commit = {0: first.access(log, 0), 1: os.urandom(16), 2: private_message(log.group, 0, COMMIT, b"c"), 3: public(log.key(1))}
    check((await first.ask("submit-commit", commit))[1][0] == 4, "a Commit is a record of the log")
    kind, delivery = await second.push()
    check(kind == "delivery" and cbor2.loads(delivery[1])[4] == public(log.key(1)), "the Commit's record names the next key")
    check(await second.push() == ("subscription-paused", {0: 7, 1: 4}), "and the subscription pauses there")
    late = await first.submit(log, 0, private_message(log.group, 0, APPLICATION, b"late"))
    check(refused(late, "StaleEpoch") and late[1][1] == 1 and late[1][2] == 4, "an ended epoch takes nothing (StaleEpoch), and its winner is named")
    loser = dict(commit) | {1: os.urandom(16), 2: private_message(log.group, 0, COMMIT, b"d")}
    check(refused(await first.ask("submit-commit", loser), "StaleEpoch"), "the first Commit of an epoch wins")
    going_on = await second.ask_all("follow", {0: second.access(log, 1), 1: 7, 2: 4})
    check(going_on == [("live", {0: 4})], "with the next epoch's proof it goes on, without a gap")
    joiner = await first.ask_all("read", {0: first.access(log, 1), 2: 1 << 20})
    check([fields[0] for kind, fields in joiner if kind == "record"] == [4], "read without a place begins with the Commit that opened the epoch")
    check(joiner[-1] == ("read-end", {0: 4, 1: 4, 2: 1}), "and its end tells head, place and epoch")
    old = await first.ask_all("read", {0: first.access(log, 0), 1: 0, 2: 1 << 20})
    await first.submit(log, 1, private_message(log.group, 1, APPLICATION, b"new"))
    kind, _ = await second.push()
    older = await first.ask_all("read", {0: first.access(log, 0), 1: 0, 2: 1 << 20})
    check(kind == "delivery" and older == old, "an epoch's proof reads up to the Commit that ended it and nothing later")
    check(await second.ask("unfollow", {0: 7}) == ("empty", {}), "a subscription ends when asked")
    return log


async def refusals(first, second, log):
    stranger = Ed25519PrivateKey.generate()
    message = private_message(log.group, 1, APPLICATION, b"x")
    forbidden = await second.ask_all("read", {0: second.access(log, 1, key=stranger), 1: 0, 2: 1})
    check(refused(forbidden[-1], "Forbidden") is False, "an epoch that was proven stays so on its connection")
    third = Log()
    unknown = await first.ask_all("read", {0: first.access(third, 0), 1: 0, 2: 1})
    check(refused(unknown[-1], "Forbidden"), "an unknown group is forbidden")
    wrong = await first.submit(log, 2, private_message(log.group, 2, APPLICATION, b"x"), key=stranger)
    check(refused(wrong, "Forbidden"), "so is an epoch without its key")
    for what, bad in {
        "a PublicMessage": private_message(log.group, 1, APPLICATION, b"x", wire_format=1),
        "another group's message": private_message(os.urandom(16), 1, APPLICATION, b"x"),
        "another epoch's message": private_message(log.group, 0, APPLICATION, b"x"),
        "a Commit submitted as an application message": private_message(log.group, 1, COMMIT, b"x"),
        "a message with something after it": message + b"\0",
        "text": b"not a message at all",
    }.items():
        check(refused(await first.submit(log, 1, bad), "NotPrivateMessage"), f"{what} is refused (NotPrivateMessage)")
    check(refused((await first.raw(canonical([99, {}])))[0], "UnknownRequest"), "an unknown request is told (UnknownRequest)")
    check(refused(await first.hello(), "HelloOrder"), "hello comes once (HelloOrder)")
    body = canonical([page.numbers["request"]["unfollow"], {0: 9}])
    check((await first.raw(body))[0] == ("empty", {}), "what is not followed can be unfollowed")
    extended = canonical([page.numbers["request"]["unfollow"], {0: 9, 77: ["later", {"x": None}]}])
    check((await first.raw(extended))[0] == ("empty", {}), "an unknown key is ignored, whatever its value")
    for what, bad in {
        "bytes after the message": body + b"\0",
        "no CBOR": b"\xff\xff",
        "a missing key": canonical([7, {}]),
        "a key that stands twice": b"\x82\x07\xa2\x00\x09\x00\x09",
        "a key that is text": canonical([7, {0: 9, "x": 1}]),
        "null for what is absent": canonical([0, {0: None}]),
        "a number of 2^62": canonical([14, {0: 1 << 62}]),
        "17 levels": b"\x82\x07\xa2\x00\x09\x18\x63" + b"\x81" * 17 + b"\x00",
    }.items():
        check(refused((await first.raw(bad))[0], "Malformed"), f"{what} makes a message malformed (Malformed)")
    indefinite = b"\x9f\x07\xbf\x00\x18\x09\xff\xff"
    check((await first.raw(indefinite))[0] == ("empty", {}), "receivers do not insist on the shortest encodings")
    huge = await first.bytes(struct.pack(">I", (16 << 20) + 1))
    check(refused(huge[0], "TooLarge"), "a frame above the limit is refused by its length alone (TooLarge)")
    moves = [{0: log.group, 1: os.urandom(16)} for _ in range(1025)]
    many = await first.raw(canonical([9, {0: moves}]))
    check(refused(many[0], "Malformed"), "a list has at most 1,024 elements")


async def devices(first, second, address):
    package = struct.pack(">HHH", 1, 5, 1) + os.urandom(200)
    last = struct.pack(">HHH", 1, 5, 1) + os.urandom(200)
    count = await second.ask("publish-key-packages", {0: [package], 1: last, 2: True})
    check(count == ("key-package-count", {0: 1, 1: True}), "KeyPackages are published")
    wrong = await second.ask("publish-key-packages", {0: [b"none"], 2: False})
    check(refused(wrong, "NotKeyPackage"), "nothing else is (NotKeyPackage)")
    claimed = await first.ask("claim-key-packages", {0: address})
    check(claimed[0] == "claimed" and len(claimed[1][0]) == 1, "a claim answers for each device")
    device = claimed[1][0][0]
    check(device[2] == package, "with the KeyPackage that the device published")
    check((await second.push())[0] == "key-package-count", "whose owner is told that few are left")
    claimed = await first.ask("claim-key-packages", {0: address})
    check(claimed[1][0][0][2] == last, "and then with the last resort")
    nobody = await first.ask("claim-key-packages", {0: "niemand@" + address.split("@")[1]})
    check(refused(nobody, "UnknownProfessional"), "nobody's KeyPackages cannot be claimed (UnknownProfessional)")
    await second.push()

    log, cursor, sealed = Log(), os.urandom(16), os.urandom(300)
    await first.ask("create-group", {0: first.access(log, 0), 1: os.urandom(16), 2: public(log.key(0))})
    welcome = {0: device[1], 1: device[0], 2: sealed, 3: cursor}
    bundle = {0: first.access(log, 0), 1: os.urandom(16), 2: private_message(log.group, 0, COMMIT, b"c"), 3: public(log.key(1))}
    strange = dict(bundle) | {4: [dict(welcome) | {0: os.urandom(16)}]}
    reply = await first.ask("submit-commit", strange)
    check(refused(reply, "Recipients") and reply[1][5][0][2] == 3, "a bundle names who stands in its way (Recipients)")
    stored = await first.ask_all("read", {0: first.access(log, 0), 1: 0, 2: 1})
    check(stored == [("read-end", {0: 0, 1: 0, 2: 0})], "and nothing of it is stored")
    reply = await first.ask("submit-commit", bundle | {4: [welcome]})
    check(reply[0] == "receipt", "a bundle with a claimed device is taken")
    kind, waiting = await second.push()
    check(kind == "inbox-waiting", "the joiner is told")
    notes = await second.ask_all("read-inbox", {0: 0})
    check(notes[0][0] == "note" and notes[0][1][2] == sealed, "and reads its Welcome from its inbox")
    check(notes[0][1][1] % 86_400_000 == 0, "which tells the day and no more")
    check(notes[-1] == ("inbox-end", {0: waiting[0]}), "up to its newest")
    note, operation = os.urandom(64), os.urandom(16)
    for _ in range(2):
        await first.ask("send-note", {0: device[0], 1: operation, 2: note})
    await second.push()
    notes = await second.ask_all("read-inbox", {0: notes[0][1][0]})
    check([fields[2] for kind, fields in notes if kind == "note"] == [note], "a note that is sent twice comes once")
    await second.ask("acknowledge-inbox", {0: notes[-1][1][0]})
    check(await second.ask_all("read-inbox", {0: 0}) == [("inbox-end", {0: notes[-1][1][0]})], "what is acknowledged is gone")

    closing = {0: first.access(log, 1), 1: os.urandom(16), 2: private_message(log.group, 1, COMMIT, b"f"), 3: public(log.key(2))}
    check(refused(await first.ask("erase-group", {0: first.access(log, 1)}), "NotFinal"), "only a closed log can be erased (NotFinal)")
    await first.ask("submit-commit", closing | {5: True})
    check(await first.ask("erase-group", {0: first.access(log, 2)}) == ("empty", {}), "a final epoch's proof erases")


async def main(where, name, root, chain, key, chain2, key2, address2):
    worked_example()
    first = await connect(where, name, root, chain, key)
    early = await first.ask_all("read-inbox", {0: 0})
    check(refused(early[0], "HelloOrder"), "whatever comes before the hello is refused (HelloOrder)")
    reply = await first.ask("hello", {0: 0})
    check(refused(reply, "UnsupportedVersion"), "a version that nobody speaks is refused (UnsupportedVersion)")
    first = await connect(where, name, root, chain, key)
    kind, welcome = await first.ask("hello", {0: 9, 1: [12345]})
    check(kind == "welcome" and welcome[0] == 1, "the newest version that both speak is agreed")
    second = await connect(where, name, root, chain2, key2)
    check((await second.hello())[1][2] == welcome[2], "the incarnation is the database's")
    log = await groups(first, second)
    await refusals(first, second, log)
    await devices(first, second, address2)
    for device in (first, second):
        device.close()
    print("everything held", flush=True)


if __name__ == "__main__":
    page = Page(sys.argv[1])
    asyncio.run(main(*sys.argv[2:]))
