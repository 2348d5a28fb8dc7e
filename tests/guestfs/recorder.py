# SPDX-License-Identifier: Apache-2.0
"""A proxy around a handle with the API of python3-guestfs: it writes down what each call answered, or, with a recording
given, compares what it answers now with what was written down then."""
import base64
import copy
import errno
import hashlib
import json
import os
import re
import time

OURS = "5110c0de-"  # every UUID that a scenario sets begins so; all others are random
UUID = re.compile(r"\b(?!%s)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b" % OURS, re.IGNORECASE)
LVM_UUID = re.compile(r"\b[0-9A-Za-z]{6}(-[0-9A-Za-z]{4}){5}-[0-9A-Za-z]{6}\b")
LARGE = 3000  # longer answers become a size and a SHA-256
STRERRORS = sorted({os.strerror(number) for number in errno.errorcode}, key=len, reverse=True)


def _drop(*keys):
    def normal(answer):
        for record in answer if isinstance(answer, list) else [answer]:
            for key in keys:
                if key in record:
                    record[key] = "*"
        return answer
    return normal


def _recent(answer):
    """Times of the last day are those of the run; older ones a scenario has set."""
    for record in answer if isinstance(answer, list) else [answer]:
        for key in list(record):
            clock = next((name for name in ("atime", "mtime", "ctime") if name in key), None)
            if clock and key.removeprefix("st_").removesuffix("_sec") == clock and abs(record[key] - time.time()) < 86400:
                record[key] = "now"
                for part in (key.replace("_sec", "_nsec"), f"st_{clock}_nsec"):
                    if part in record and part != key:
                        record[part] = "now"
    return answer


def _stat(answer):
    # Numbers that the kernel chooses: inodes and the device's number. What a directory takes is the filesystem's affair.
    answer = _drop("dev", "ino", "st_dev", "st_ino")(_recent(answer))
    for record in answer if isinstance(answer, list) else [answer]:
        record.update((key, 0) for key in record if "spare" in key)
    return answer


def _words(*patterns):
    def normal(answer):
        if isinstance(answer, str):
            for pattern, text in patterns:
                answer = re.sub(pattern, text, answer)
            return answer
        if isinstance(answer, list):
            return [normal(item) for item in answer]
        if isinstance(answer, dict):
            return {key: normal(value) for key, value in answer.items()}
        return answer
    return normal


def _kind(answer):
    """Only of which kind the answer is: its value is the machine's, the program's or the kernel's own."""
    if isinstance(answer, list):
        return "<list of %s>" % ", ".join(sorted({type(item).__name__ for item in answer}))
    return f"<{type(answer).__name__}>"


def _only(*keys):
    return lambda answer: {key: answer.get(key) for key in keys}


def _keys(answer):
    return dict.fromkeys(answer, "*")


def _blkid(answer):
    """The appliance's own name and number of the device, what its driver tells of it, and the random number of a disk."""
    answer.pop("OPTIMAL_IO_SIZE", None)
    return _drop("DEVNAME", "PART_ENTRY_DISK", "PART_ENTRY_UUID")(answer)


def _file_of(path):
    return "/".join(path.split("/")[:4]) if path.startswith("/files/") else ""


_ll = _words((r"(?m)^(total) \d+$", r"\1 *"), (r"(?m)^(\S+ +\d+ +\S+ +\S+ +(?:\? +)?\d+ )[A-Z][a-z]{2} +\d+ +\d\d:\d\d", r"\1now"))

# What differs between two runs of the same program, or what is the host's own; each with its reason.
VOLATILE = {
    **dict.fromkeys(("stat", "lstat", "statns", "lstatns", "lstatlist", "lstatnslist"), _stat),
    "readdir": lambda answer: sorted(_drop("ino")(answer), key=lambda entry: entry["name"]),  # order is the filesystem's
    # Free space and inodes depend on the journal and on the version of mkfs; the file system's id is random.
    "statvfs": _drop("bfree", "bavail", "ffree", "favail", "fsid", "flag", "blocks", "files"),
    "ll": _ll, "llz": _ll,  # dates of files just made, and "total", which depends on the filesystem
    "df": _kind, "df_h": _kind,  # a table of the appliance's own mounts
    "mkdtemp": _words((r"[^/]*$", "<name>")), "mktemp": _words((r"[^/]*$", "<name>")),  # random on purpose
    "version": _kind, "get_hv": _kind, "get_qemu": _kind, "get_path": _kind, "get_cachedir": _kind, "get_tmpdir": _kind,
    "get_sockdir": _kind, "get_pid": _kind, "get_backend": _kind, "get_attach_method": _kind, "get_append": _kind,
    "get_backend_settings": _kind, "get_memsize": _kind, "c_pointer": _kind, "max_disks": _kind, "utsname": _keys,
    "available_all_groups": _kind, "get_smp": _kind, "dmesg": _kind, "debug_drives": _kind,
    # Sizes that follow the metadata of the tool's version, and times of the volume's making.
    "vgmeta": _kind, "vfs_minimum_size": _kind, "tune2fs_l": _only(
        "Filesystem volume name", "Last mounted on", "Filesystem UUID", "Filesystem magic number", "Errors behavior", "Filesystem OS type",
        "Block size", "Inode size", "Maximum mount count", "Mount count", "Reserved block count", "Reserved blocks uid", "Reserved blocks gid",
        "Check interval"),
    # UUIDs without hyphens, and how much room the texts of the changes have left: they name the host and its kernel.
    "lvs_full": _drop("lv_time", "lv_host", "seg_pe_ranges", "lv_uuid", "lv_kernel_major", "lv_kernel_minor"), "pvs_full": _drop("pv_uuid", "pv_mda_free"),
    "vgs_full": _drop("vg_seqno", "vg_sysid", "vg_uuid", "vg_mda_free"), "vgs": sorted, "pvs": sorted,
    "blkid": _blkid,
    "xfs_info": _drop("xfs_rtextsize"),  # libguestfs looks for it where xfs_info does not say it
    "aug_match": lambda answer: sorted(answer, key=_file_of),  # files come as their lenses are found, nodes of one file in its order
    "md_detail": _drop("uuid", "name"),  # random, and with the host's name
    "btrfs_subvolume_show": lambda answer: {key: value if key in ("Name", "Subvolume ID", "Parent ID", "Flags") else "*"
                                            for key, value in answer.items()},
    "btrfs_filesystem_show": _kind,
    "btrfs_qgroup_show": lambda answer: [entry["btrfsqgroup_id"] for entry in answer],  # sizes of the trees' own blocks
    "btrfs_scrub_status": _keys, "btrfs_balance_status": _kind,
    "inspect_os": sorted, "inspect_get_roots": sorted, "inspect_get_filesystems": sorted,  # in no order
}
# Their UUIDs are well known, or set by the scenario: compared as they are.
NAMED_UUIDS = {"part_get_gpt_type"}


def encode(value):
    if isinstance(value, bytes):
        if len(value) > LARGE:
            return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in sorted(value.items())}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def large(value):
    """A long answer is kept by its size and digest."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LARGE:
        return value
    return {"long": type(value).__name__, "items": len(value), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def decode(value):
    """What a scenario goes on with, where our module had no answer."""
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        if "sha256" in value:
            return {"list": [], "str": "", "dict": {}}.get(value.get("long"), b"")
        return {key: decode(item) for key, item in value.items()}
    return [decode(item) for item in value] if isinstance(value, list) else value


class Recorded(Exception):
    """The call failed in the recording: whatever it does now, the scenario goes the same way."""


class Misaligned(Exception):
    """The scenario makes other calls than it made when it was recorded."""


class Log:
    """The calls of one scenario, in their order. With `expected` it compares; without it records. With `replayed` it takes the
    answers from an older recording, and makes sure that the calls are the same."""

    def __init__(self, expected=None, replayed=None):
        self.replayed = None if replayed is None else list(replayed)
        self.expected, self.entries, self.differences, self.names = expected, [], [], {}
        self.given = {}  # what set_ calls set
        self.compared = {}  # call -> [answers, errors, differences]
        self.slow = 0  # calls that take longer are told
        self.must_fail, self.surprises = False, []  # calls that failed, or did not, against the scenario's word
        self.tell = None  # is given each of them at once

    def hide(self, value, name):
        """This value is another in each run (a directory of the host, a random name): it is written as NAME."""
        self.names[str(value)] = f"<{name}>"

    def replay(self, call, args, kwargs):
        """The older answer to this call. Calls that failed may be missing now: they changed nothing."""
        wanted = {"call": call}
        if args:
            wanted["args"] = self.visible(encode(list(args)))
        if kwargs:
            wanted["kwargs"] = self.visible(encode(kwargs))
        while self.replayed:
            entry = self.replayed.pop(0)
            if all(entry.get(key) == wanted.get(key) for key in ("call", "args", "kwargs")):
                self.entries.append(entry)
                return entry
            if "error" not in entry:
                raise Misaligned(f"{wanted} is called, recorded was {entry}")
        raise Misaligned(f"{wanted} is called, and no more was recorded")

    def surprise(self, entry):
        self.surprises.append(entry)
        if self.tell:
            self.tell(entry)

    def took(self, call, args, seconds):
        if self.slow and seconds > self.slow:
            print(f"{seconds:6.1f} s: {call}{args}", flush=True)

    def visible(self, value):
        if isinstance(value, str):
            for text in sorted(self.names, key=len, reverse=True):
                value = value.replace(text, self.names[text])
            return value
        if isinstance(value, list):
            return [self.visible(item) for item in value]
        if isinstance(value, dict):
            return {self.visible(key): self.visible(item) for key, item in value.items()}
        return value

    def normal(self, call, answer):
        if not (call.startswith("get_") and answer in self.given.get(call[4:], ())):  # what was set is compared
            answer = VOLATILE.get(call, lambda value: value)(copy.deepcopy(answer))
        answer = self.visible(encode(answer))
        if call not in NAMED_UUIDS:
            answer = _words((UUID, "<uuid>"), (LVM_UUID, "<lvm-uuid>"))(answer)
        return large(answer)

    def add(self, call, args, kwargs, outcome):
        """Takes down an entry; returns the recorded one when comparing."""
        entry = {"call": call}
        if args:
            entry["args"] = self.visible(encode(list(args)))
        if kwargs:
            entry["kwargs"] = self.visible(encode(kwargs))
        entry.update(outcome)
        self.entries.append(entry)
        if call.startswith("set_") and len(args) == 1 and "error" not in entry:
            self.given.setdefault(call[4:], []).append(args[0])
        if self.expected is None:
            return None
        if len(self.entries) > len(self.expected):
            raise Misaligned(f"{call}: more calls than recorded")
        recorded = self.expected[len(self.entries) - 1]
        if recorded["call"] != call:
            raise Misaligned(f"call {len(self.entries)} is {call}, recorded was {recorded['call']}")
        self.compare(recorded, entry)
        return recorded

    def compare(self, recorded, entry):
        why = None
        if any(recorded.get(key) != entry.get(key) for key in ("args", "kwargs")):
            why = "was called with other arguments"
        elif ("error" in recorded) != ("error" in entry):
            why = "answered" if "error" in recorded else "failed"
        elif "error" in recorded:
            why = error_differs(recorded["error"], entry["error"])
        elif recorded["answer"] != entry["answer"]:
            why = "answered otherwise"
        counts = self.compared.setdefault(entry["call"].removeprefix("@"), [0, 0, 0])
        counts[2 if why else 1 if "error" in recorded else 0] += 1
        if why:
            self.differences.append((len(self.entries), entry["call"], why, recorded, entry))


def error_differs(recorded, now):
    """Both failed: kinds of error agree, and a message that ends with the system's words has them in ours."""
    if recorded["type"] not in now["kinds"]:
        return f"raised {now['type']}, not {recorded['type']}"
    text = next((text for text in STRERRORS if recorded["message"].endswith(text)), None)
    if text and text not in now["message"]:
        return f"says no “{text}”"
    return None


class Recorder:
    """Behaves as the handle it wraps. Names that are no calls of the API go to the handle without a note."""

    def __init__(self, handle, log, which=""):
        object.__setattr__(self, "_recorder", (handle, log, which))

    def __getattr__(self, name):
        handle, log, which = object.__getattribute__(self, "_recorder")

        def call(*args, **kwargs):
            if log.replayed is not None:
                entry = log.replay(name, args, kwargs)
                if ("error" in entry) != log.must_fail:
                    log.surprise(entry)
                return decode(entry.get("answer"))
            outcome, result, raised, began = {}, None, None, time.monotonic()
            try:
                result = getattr(handle, name)(*args, **kwargs)
                outcome["answer"] = log.normal(name, result)
            except Exception as error:  # what kinds a module raises is what is compared
                raised = error
                outcome["error"] = {"type": type(error).__name__, "message": log.visible(str(error))}
                if log.expected is not None:
                    outcome["error"]["kinds"] = [kind.__name__ for kind in type(error).__mro__]
            if which:
                outcome["handle"] = which
            log.took(name, args, time.monotonic() - began)
            recorded = log.add(name, args, kwargs, outcome)
            if recorded is None:
                if bool(raised) != log.must_fail:
                    log.surprise(log.entries[-1])
                return result
            if "error" in recorded:
                raise Recorded(recorded["error"]["message"]) from raised
            return decode(recorded["answer"]) if raised else result

        call.log = log
        return call


def fails(call, *args, **kwargs):
    """The call must fail; a scenario goes on after it."""
    log = call.log
    log.must_fail = True
    try:
        call(*args, **kwargs)
    except Recorded:
        pass
    finally:
        log.must_fail = False


def note(g, call, look):
    """What a call did elsewhere (files on the host, for instance) counts as an answer of it. `look` finds it out."""
    _, log, _ = object.__getattribute__(g, "_recorder")
    if log.replayed is not None:
        log.replay("@" + call, (), {})
        return
    try:
        outcome = {"answer": large(log.visible(encode(look())))}
    except Exception as error:  # there is nothing to look at: the call failed, or did something else
        if log.expected is None:
            raise
        outcome = {"answer": f"no answer: {error!r}"}
    log.add("@" + call, (), {}, outcome)


def bare(g):
    """The handle itself, for what is called in another thread."""
    return object.__getattribute__(g, "_recorder")[0]
