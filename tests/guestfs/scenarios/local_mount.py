# SPDX-License-Identifier: Apache-2.0
"""The guest's files on a mount point of the host. Looked at by other processes with a limit of time: a mount that nobody serves hangs."""
import contextlib
import subprocess
import threading
import time
from pathlib import Path

from _disk import OLD, ext4

from recorder import bare, fails, note

SEEDS = (1,)


def serve(g):
    """mount_local_run does not return before the end, so its call is noted by what can be seen."""
    ended = []

    def run():
        try:
            bare(g).mount_local_run()
            ended.append("returned")
        except Exception as error:
            ended.append(type(error).__name__)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def shell(directory, command):
    result = subprocess.run(["sh", "-c", command], cwd="/", env={"D": directory, "PATH": "/usr/bin:/bin", "LC_ALL": "C"}, timeout=60,
                            capture_output=True, text=True, check=False)
    return [result.returncode, result.stdout.replace(directory, "<mountpoint>"), result.stderr.replace(directory, "<mountpoint>")]


def wait_for(directory):
    """A moment until the mount is served; a failure shows in what is looked at."""
    for _ in range(50):
        with contextlib.suppress(subprocess.TimeoutExpired):
            if shell(directory, 'ls "$D"')[1]:
                return
        time.sleep(0.1)


def session(g, directory, commands, **options):
    g.mount_local(directory, **options)
    thread, ended = serve(g)
    wait_for(directory)
    for command in commands:
        note(g, "mount_local", lambda: shell(directory, command))  # noqa: B023
    # Not by umount_local, which in libguestfs 1.48 waits for the handle that mount_local_run has.
    subprocess.run(["fusermount3", "-u", directory], check=False, timeout=60)
    thread.join(60)
    note(g, "mount_local_run", lambda: ended)


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 96))
    point = Path(work.path("point"))
    point.mkdir()
    fails(g.mount_local_run)
    fails(g.umount_local)
    fails(g.mount_local, work.path("absent"))
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    g.mkdir("/dir")
    g.write("/dir/file", "content\n")
    g.ln_s("file", "/dir/link")
    g.chmod(0o604, "/dir/file")
    g.chown(1000, 1001, "/dir/file")
    g.utimens("/dir/file", OLD, 0, OLD, 0)
    session(g, str(point), (
        'ls -A "$D" "$D/dir"', 'cat "$D/dir/file" "$D/dir/link"', 'stat -c "%a %u %g %s %Y %F" "$D/dir/file" && stat -c "%a %u %g %F" "$D/dir"',
        'readlink "$D/dir/link"', 'cat "$D/none"', 'echo new > "$D/dir/new" && cat "$D/dir/new"',
        'mkdir "$D/made" && mv "$D/dir/new" "$D/made/moved" && ls "$D/made"',
        'chmod 600 "$D/made/moved" && stat -c %a "$D/made/moved"', 'rm "$D/dir/link" && ls "$D/dir"', 'rmdir "$D/made"',
        'ln -s target "$D/soft" && readlink "$D/soft"', 'printf longer >> "$D/made/moved" && cat "$D/made/moved"',
        'truncate -s 3 "$D/made/moved" && cat "$D/made/moved"', 'touch -d @1000000 "$D/made/moved" && stat -c %Y "$D/made/moved"'))
    g.find("/")
    g.cat("/made/moved")
    fails(g.umount_local)
    session(g, str(point), ('cat "$D/dir/file"', 'echo x > "$D/dir/x"', 'rm "$D/dir/file"'), readonly=True, cachetimeout=1)
    g.shutdown()
