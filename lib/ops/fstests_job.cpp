// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_job.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "fstests/needs.hpp"

namespace slipway::ops {
namespace {

constexpr std::array<std::string_view, 7> served{"nfs",       "cifs", "9p",   "virtiofs",
                                                 "glusterfs", "ceph", "pvfs2"};

// The file system that is made on the disks.
std::string disk_fstype(const FstestsRequest& request, std::string_view fstype) {
    return fstype == "overlay" ? request.base_fstype : std::string(fstype);
}

constexpr std::string_view script = R"bash(#!/bin/bash
# SUITE WORK: makes the file systems of a run of fstests, and runs check on the tests in WORK/tests.
suite=$1 work=$2
lacks() {
    echo "slipway: lacks $*"
    exit 125
}

# Tests write beside themselves, and cores land there: in memory, over the suite.
mkdir -p /mnt/test /mnt/scratch /mnt/fstests /mnt/memory "$work/results"
mount -t tmpfs fstests /mnt/memory
mkdir /mnt/memory/upper /mnt/memory/work
mount -t overlay -o "lowerdir=$suite,upperdir=/mnt/memory/upper,workdir=/mnt/memory/work" \
    fstests /mnt/fstests || lacks driver overlay
cd /mnt/fstests || exit 125
# After each test check writes result.xml anew, with its whole machine described in it: some 300
# processes. Nobody reads that here, and in a machine it takes longer than many a test.
if [ -f common/report ]; then
    cat >> common/report << 'END'
_make_section_report() {
    local name=${1/#-no-sections-/global}
    {
        printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="xfstests" '
        printf 'failures="%s" skipped="%s" tests="%s" time="%s">\n' "$3" "$4" "$2" "$5"
        [ -f "$tmp.report.xunit.$name.xml" ] && printf '%s\n' "$(< "$tmp.report.xunit.$name.xml")"
        printf '</testsuite>\n'
    } > "$REPORT_DIR/result.xml.new"
    mv "$REPORT_DIR/result.xml.new" "$REPORT_DIR/result.xml"
}
END
fi
export TEST_DIR=/mnt/test SCRATCH_MNT=/mnt/scratch RESULT_BASE=$work/results
export HOST_OPTIONS=/mnt/fstests/slipway.config
: > "$HOST_OPTIONS"
. "$work/config"

driver() {
    grep -qw "$1" /proc/filesystems || modprobe -q "$1" 2> /dev/null
    grep -qw "$1" /proc/filesystems || lacks driver "$1"
}

# Leaves the device of a serial in REPLY.
disk() {
    case $slipway_devices in
    disks)
        REPLY=$(readlink -e "/dev/disk/by-id/virtio-$1") || lacks disk "$1"
        ;;
    null_blk)
        local at=/sys/kernel/config/nullb/$1
        # First the driver: it brings configfs where that is a module.
        grep -q '^null_blk ' /proc/modules || modprobe -q null_blk nr_devices=0
        mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
        mkdir "$at" && echo "$slipway_mib" > "$at/size" && echo 1 > "$at/memory_backed" &&
            echo 1 > "$at/power" || lacks driver null_blk
        REPLY=/dev/$1
        [ -b "$REPLY" ] || REPLY=/dev/nullb$(cat "$at/index")
        ;;
    none) REPLY=tmpfs_$1 ;;
    esac
}

make() {
    [ "$slipway_devices" = none ] && return
    command -v "mkfs.$slipway_mkfs" > /dev/null || lacks program "mkfs.$slipway_mkfs"
    local force=
    case $slipway_mkfs in
    ext*) force="-F -q" ;;
    xfs | btrfs | f2fs | bcachefs) force="-f -q" ;;
    esac
    # The options are words.
    # shellcheck disable=SC2086
    "mkfs.$slipway_mkfs" $force $MKFS_OPTIONS "$1" > "$work/mkfs.log" 2>&1 || {
        cat "$work/mkfs.log"
        lacks mkfs "$slipway_mkfs $MKFS_OPTIONS"
    }
}

driver "$FSTYP"
driver "$slipway_mkfs"
disk test
export TEST_DEV=$REPLY
make "$TEST_DEV"
if [ -n "$slipway_pool" ]; then
    for name in $slipway_pool; do
        disk "$name"
        SCRATCH_DEV_POOL="$SCRATCH_DEV_POOL${SCRATCH_DEV_POOL:+ }$REPLY"
    done
    export SCRATCH_DEV_POOL
else
    disk scratch
    export SCRATCH_DEV=$REPLY
    [ -n "$slipway_overlay" ] && make "$SCRATCH_DEV"
fi
if [ -n "$slipway_logwrites" ]; then
    disk logwrites
    export LOGWRITES_DEV=$REPLY
fi
# shellcheck disable=SC2046,SC2086
exec ./check $slipway_overlay -R xunit $(cat "$work/tests")
)bash";

} // namespace

Result<DeviceKind> device_kind_named(std::string_view name) {
    if (name == "file")
        return DeviceKind::File;
    if (name == "tmpfs")
        return DeviceKind::Tmpfs;
    if (name == "null_blk")
        return DeviceKind::NullBlk;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no kind of disk", printable(name)),
                "use file, tmpfs or null_blk");
}

fstests::Section complete(const FstestsRequest& request, fstests::Section section) {
    auto add = [&section](const char* key, const std::string& value) {
        if (!value.empty() && section.get(key).empty())
            section.settings.emplace_back(key, value);
    };
    add("FSTYP", request.fstype);
    add("MKFS_OPTIONS", request.mkfs_options);
    add("MOUNT_OPTIONS", request.mount_options);
    add("TEST_FS_MOUNT_OPTS", request.mount_options);
    return section;
}

Status check_fstype(std::string_view fstype) {
    bool is_name =
        !fstype.empty() && fstype.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"
                                                    "_-.") == std::string_view::npos;
    if (!is_name)
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no type of file system", printable(fstype)));
    if (std::find(served.begin(), served.end(), fstype) != served.end())
        return fail(Code::InvalidArgument,
                    fmt::format("{} needs a server, and the machines have none", fstype),
                    "test a file system on disks: ext4, xfs, btrfs, f2fs; or overlay, tmpfs");
    return {};
}

Status check_devices(const FstestsRequest& request, std::string_view fstype) {
    SLIPWAY_CHECK(check_fstype(fstype));
    if (request.pool == 1 || request.pool > most_pool_disks)
        return fail(Code::InvalidArgument,
                    fmt::format("a pool has 2 to {} disks, not {}", most_pool_disks, request.pool),
                    "use --pool 5");
    constexpr std::uint64_t least = std::uint64_t{300} << 20;
    if (request.disk_size < least)
        return fail(Code::InvalidArgument,
                    fmt::format("disks of {} bytes are too small for any file system's tests",
                                request.disk_size),
                    "300M is the least; fstests asks for 10G");
    return {};
}

std::vector<std::string> disk_serials(const FstestsRequest& request, std::string_view fstype) {
    if (disk_fstype(request, fstype) == "tmpfs")
        return {};
    std::vector<std::string> serials{"test"};
    for (unsigned number = 1; number <= request.pool; ++number)
        serials.push_back(fmt::format("pool{}", number));
    if (request.pool == 0)
        serials.emplace_back("scratch");
    if (request.logwrites)
        serials.emplace_back("logwrites");
    return serials;
}

std::string config_text(const FstestsRequest& request, const fstests::Section& section) {
    auto fstype = section.get("FSTYP");
    auto made = disk_fstype(request, fstype);
    auto serials = disk_serials(request, fstype);
    std::string pool;
    for (const auto& serial : serials)
        if (serial.starts_with("pool"))
            pool += (pool.empty() ? "" : " ") + serial;
    auto settings = section.settings;
    for (auto& [key, value] : settings)
        if (key == "FSTYP") // check -overlay finds the one below here
            value = made;
    return fstests::render_shell(settings) +
           fstests::render_shell(
               {{"slipway_mkfs", made},
                {"slipway_overlay", fstype == "overlay" ? "-overlay" : ""},
                {"slipway_devices", serials.empty()                          ? "none"
                                    : request.devices == DeviceKind::NullBlk ? "null_blk"
                                                                             : "disks"},
                {"slipway_mib", fmt::format("{}", request.disk_size >> 20)},
                {"slipway_pool", pool},
                {"slipway_logwrites", request.logwrites ? "logwrites" : ""}});
}

std::string_view run_script() {
    return script;
}

Error explain_lack(const std::vector<std::string>& output, std::string_view kernel) {
    constexpr std::string_view mark = "slipway: lacks ";
    Error error{.code = Code::ToolFailed, .what = "check of fstests ended before the first test"};
    std::vector<std::string> said;
    for (const auto& line : output) {
        if (!line.starts_with(mark)) {
            said.push_back(printable(line));
            continue;
        }
        auto words = split_words(std::string_view(line).substr(mark.size()));
        auto kind = words.empty() ? "" : words[0];
        auto name = words.size() < 2 ? "" : printable(words[1]);
        error.code = Code::Unsupported;
        if (kind == "driver") {
            error.what = fmt::format("the kernel {} has no driver {}", kernel, name);
            error.hint = "build it in, or keep its modules beside it";
        } else if (kind == "program") {
            auto package = fstests::package_of(name);
            error.what = fmt::format("the root has no program {}", name);
            error.hint = package.empty() ? "use a root of the profile fstests"
                                         : fmt::format("add the package {} to the root", package);
        } else if (kind == "disk") {
            error.what = fmt::format("the machine has no disk with the serial {}", name);
        } else {
            error.code = Code::ToolFailed;
            error.what = fmt::format("mkfs.{} failed in the machine", name);
            error.hint = "look at the options of mkfs";
        }
    }
    error.tool = ToolFailure{{"check"}, 1, join(said, "\n")};
    return error;
}

} // namespace slipway::ops
