# SPDX-License-Identifier: Apache-2.0
"""Running the guest's programs: a busybox is all that the guest has."""
from _disk import ext4

from recorder import fails

SEEDS = (1,)
BUSYBOX = "/bin/busybox"  # of the host: Debian's busybox-static


def install(g):
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp"):
        g.mkdir(f"/{name}")
    g.upload(BUSYBOX, "/bin/busybox")
    g.chmod(0o755, "/bin/busybox")
    for name in ("sh", "cat", "echo", "false", "true", "id", "pwd", "printf", "touch", "tr", "sleep"):
        g.ln_s("busybox", f"/bin/{name}")


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 96))
    fails(g.sh, "echo x")  # nothing is mounted
    fails(g.command, ["/bin/echo"])
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    fails(g.sh, "echo x")  # no shell in there
    install(g)
    g.command(["/bin/echo", "two words", "*", "$HOME"])
    g.command(["echo", "found by PATH"])
    g.command(["/bin/printf", "no newline"])
    g.command(["/bin/pwd"])
    g.command(["/bin/id", "-u"])
    g.command_lines(["/bin/printf", "a\\nb\\n\\nc"])
    g.command_lines(["/bin/printf", "a\\n\\n"])
    g.command_lines(["/bin/true"])
    g.sh("echo a; echo b >&2; echo c")
    g.sh("touch /tmp/made && echo * && echo $((2+3)) | tr 5 6")
    g.exists("/tmp/made")
    g.sh("cat < /dev/null; [ -c /dev/null ] && [ -d /proc/self ] && echo mounted")
    g.sh("printf 'Ünïcödé'")
    g.sh_lines("echo a; echo; echo b")
    g.sh_lines("true")
    g.sh("echo text > /etc/file; cat /etc/file")
    g.cat("/etc/file")
    for call in (g.command, g.command_lines):
        fails(call, ["/bin/false"])
        fails(call, ["/bin/none"])
        fails(call, ["/bin/sh", "-c", "echo why >&2; exit 3"])
        fails(call, ["/etc/file"])
        fails(call, [])
    for call in (g.sh, g.sh_lines):
        fails(call, "exit 7")
        fails(call, "echo why >&2; false")
        fails(call, "none-such-program")
        fails(call, "syntax ( error")
    g.ls("/proc")  # what commands see there is gone again
    g.umount_all()
    fails(g.sh, "echo x")
    g.mount_ro("/dev/sda1", "/")
    g.sh("echo read-only")
    fails(g.sh, "touch /tmp/two")
    g.shutdown()
