// SPDX-License-Identifier: Apache-2.0
// A guest on a loop device with one ext4 partition, mounted in the test's private mount namespace.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "enter/enter.hpp"
#include "root/enter_guest_root.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"

namespace slipway::enter_test {

template <class T> T must(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << render_text(result.error());
        throw std::runtime_error(render_text(result.error()));
    }
    return std::move(*result);
}
inline void must(Status status) {
    if (!status)
        throw std::runtime_error(render_text(status.error()));
}

/// A directory with a tmpfs on it that only this process sees; both go with this object.
class Scratch {
public:
    Scratch() {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error("mkdtemp");
        must(sys::mount(
            {.source = "test", .target = path_, .type = "tmpfs", .options = "mode=0755"}));
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        ::umount2(path_.c_str(), MNT_DETACH);
        ::rmdir(path_.c_str());
    }
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }

private:
    std::string path_ = "/var/tmp/slipway-enter-XXXXXX";
};

/// An image with one ext4 filesystem at 1 MiB, attached and mounted.
class Disk {
public:
    static constexpr std::uint64_t offset = 1 << 20;
    static constexpr std::uint64_t size = 256 << 20;

    Disk(const Scratch& scratch, const std::string& name, const std::string& label)
        : image_(scratch / (name + ".img")) {
        must(sys::write_file(image_, ""));
        if (::truncate(image_.c_str(), size) != 0)
            throw std::runtime_error("truncate");
        sys::LocalRunner runner;
        sys::ProcessSpec mkfs{.argv = {"mkfs.ext4", "-q", "-F", "-L", label, "-E",
                                       fmt::format("offset={}", offset), image_,
                                       fmt::format("{}k", (size - offset) / 1024)}};
        must(sys::check_tool(mkfs, must(sys::run(runner, mkfs)), "mkfs.ext4"));
        auto file = must(sys::open_file(image_, O_RDWR));
        loop_.emplace(must(sys::LoopDevice::attach(file, {.direct_io = false})));
        partition_ = must(
            loop_->disk().add_partition({.number = 1, .start = offset, .size = size - offset}));
        auto node = scratch / (name + "1");
        ::unlink(node.c_str()); // of an earlier disk with this name
        if (::mknod(node.c_str(), S_IFBLK | 0600, partition_) != 0)
            throw std::runtime_error("mknod");
        mount_ = scratch / name;
        ::mkdir(mount_.c_str(), 0755);
        must(sys::mount({.source = node, .target = mount_, .type = "ext4"}));
    }
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    ~Disk() {
        unmount();
        if (auto detached = loop_->detach(); !detached)
            ADD_FAILURE() << render_text(detached.error());
    }
    void unmount() {
        if (!mount_.empty() && ::umount2(mount_.c_str(), 0) != 0)
            ADD_FAILURE() << "unmounting " << mount_ << ": " << std::strerror(errno);
        mount_.clear();
    }
    [[nodiscard]] const std::string& directory() const { return mount_; }
    [[nodiscard]] const std::string& image() const { return image_; }
    [[nodiscard]] dev_t device() const { return loop_->disk().device(); }
    [[nodiscard]] dev_t partition() const { return partition_; }
    [[nodiscard]] int loop_number() const { return std::stoi(loop_->disk().name().substr(4)); }

private:
    std::string image_;
    std::string mount_;
    std::optional<sys::LoopDevice> loop_;
    dev_t partition_ = 0;
};

/// One guest for all tests of a suite; each makes the Root that it needs.
class EnterTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        scratch_ = std::make_unique<Scratch>();
        disk_ = std::make_unique<Disk>(*scratch_, "vda", "guest");
        must(make_busybox_root(disk_->directory()));
        must(copy_program(self(), disk_->directory(), "/bin/probe"));
        must(copy_program("/usr/sbin/blkid", disk_->directory(), "/bin/blkid"));
    }
    static void TearDownTestSuite() {
        disk_.reset();
        scratch_.reset();
    }
    static std::string self() {
        std::error_code error;
        return std::filesystem::read_symlink("/proc/self/exe", error).string();
    }
    static enter::RootSpec spec() {
        return {.directory = disk_->directory(),
                .disks = {{.name = "vda",
                           .device = disk_->device(),
                           .size = Disk::size,
                           .serial = "S1"}},
                .partitions = {{.name = "vda1",
                                .disk = "vda",
                                .number = 1,
                                .device = disk_->partition(),
                                .start = Disk::offset,
                                .size = Disk::size - Disk::offset,
                                .uuid = "1111-2222",
                                .label = "guest",
                                .partuuid = "abcd-01",
                                .fstype = "ext4"}},
                .hostname = "guest",
                .kernel_cmdline = "root=LABEL=guest ro"};
    }
    enter::Root prepare() { return must(enter::Root::prepare(spec(), host())); }
    sys::Host host() {
        return {.runner = &runner_,
                .log = Log(Level::Debug, [this](Level level, std::string_view text) {
                    log_.push_back(
                        fmt::format("{} {}", level == Level::Debug ? "debug" : "warning", text));
                })};
    }
    /// Output of a shell command in the guest, with our mounts.
    std::string shell(const enter::Root& root, const std::string& script,
                      const enter::CommandOptions& options = {}) {
        auto captured = must(root.command_with_mounts({"sh", "-c", script}, options));
        return captured.out + captured.err;
    }
    static std::string in_guest(const std::string& path) { return disk_->directory() + path; }

    static inline std::unique_ptr<Scratch> scratch_;
    static inline std::unique_ptr<Disk> disk_;
    sys::LocalRunner runner_;
    std::vector<std::string> log_;
};

} // namespace slipway::enter_test
