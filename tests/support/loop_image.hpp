// SPDX-License-Identifier: Apache-2.0
// Filesystems in files, on loop devices, with nodes in a private directory. Needs root.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount/ladder.hpp"
#include "mount/volumes.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"

namespace slipway::testing_support {

/// A mount namespace of this process's own, and in it a tmpfs for nodes, images and mount points,
/// empty for each test.
class LoopTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        static bool entered = ::geteuid() == 0 && sys::enter_private_mount_namespace().has_value();
        namespace_ready_ = entered;
    }
    void SetUp() override {
        if (!namespace_ready_)
            GTEST_SKIP() << "needs root and a mount namespace";
        std::string name =
            (std::filesystem::temp_directory_path() / "slipway-loop-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
        ASSERT_TRUE(sys::mount(
            {.source = "tmpfs", .target = name, .type = "tmpfs", .options = "mode=0755"}));
        target_ = name + "/target";
        std::filesystem::create_directory(target_);
    }
    /// Everything that a test mounted or attached must be gone by itself.
    void TearDown() override {
        if (top_.empty())
            return;
        auto left = sys::mounts_below(target_);
        EXPECT_TRUE(left && left->empty()) << "left mounted: " << (left ? left->front() : "?");
        for (auto& [name, device] : devices_)
            EXPECT_TRUE(device->detach()) << name << " is still in use";
        devices_.clear();
        ::umount2(top_.c_str(), MNT_DETACH);
        std::filesystem::remove(top_);
    }

    [[nodiscard]] std::string path(const std::string& name) const { return top_ / name; }

    /// mkfs with these arguments over a new sparse file.
    void make_image(const std::string& name, unsigned mebibytes, std::vector<std::string> mkfs) {
        std::ofstream(path(name)).close();
        std::filesystem::resize_file(path(name), std::uintmax_t{mebibytes} << 20);
        mkfs.push_back(path(name));
        run(std::move(mkfs));
    }
    static void run(std::vector<std::string> argv) {
        sys::LocalRunner runner;
        sys::ProcessSpec spec{.argv = std::move(argv)};
        auto done = sys::run(runner, spec);
        ASSERT_TRUE(done) << render_text(done.error());
        ASSERT_EQ(done->status, 0) << spec.argv[0] << ": " << done->err;
    }

    /// The image as a volume of this name and type.
    [[nodiscard]] mount::MountableVolume attach(const std::string& image, report::Volume volume,
                                                bool read_only = false) {
        auto fd = sys::open_file(path(image), read_only ? O_RDONLY : O_RDWR);
        auto device = sys::LoopDevice::attach(*fd, {.read_only = read_only, .direct_io = false});
        EXPECT_TRUE(device) << render_text(device.error());
        auto node = path("node-" + image + (read_only ? "-ro" : ""));
        EXPECT_EQ(::mknod(node.c_str(), S_IFBLK | 0600, device->disk().device()), 0);
        volume.size = std::filesystem::file_size(path(image));
        devices_[node] = std::make_unique<sys::LoopDevice>(std::move(*device));
        return {std::move(volume), node};
    }
    void detach(const mount::MountableVolume& volume) {
        EXPECT_TRUE(devices_.at(volume.node)->detach());
        devices_.erase(volume.node);
        std::filesystem::remove(volume.node);
    }

    /// Mounts read-write, lets `fill` work below the mount point, unmounts.
    void fill(const mount::MountableVolume& volume,
              const std::function<void(const std::filesystem::path&)>& fill) {
        auto mounted = mount::mount_volume(volume, target_, {.writable = true});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        fill(target_);
        ASSERT_TRUE(mounted->unmount());
    }
    static void write(const std::filesystem::path& file, const std::string& content = "") {
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << content;
    }
    /// Written and synced, so that the journal holds it.
    static void write_durably(const std::filesystem::path& file, const std::string& content) {
        auto fd = sys::open_file(file.string(), O_WRONLY | O_CREAT, 0644);
        ASSERT_TRUE(fd && sys::write_all(*fd, content));
        ASSERT_EQ(::fsync(fd->raw()), 0);
    }
    [[nodiscard]] static std::string content_of(const std::filesystem::path& file) {
        auto text = sys::read_file(file.string(), 1U << 30);
        return text ? *text : "(absent)";
    }

    /// Offset and bytes of all data of a sparse file.
    [[nodiscard]] static std::map<off_t, std::string> data_of(const std::filesystem::path& file) {
        std::map<off_t, std::string> data;
        auto fd = sys::open_file(file.string(), O_RDONLY);
        for (off_t at = 0; (at = ::lseek(fd->raw(), at, SEEK_DATA)) >= 0;) {
            auto end = ::lseek(fd->raw(), at, SEEK_HOLE);
            std::string bytes(static_cast<std::size_t>(end - at), '\0');
            EXPECT_TRUE(sys::read_exactly_at(*fd, std::as_writable_bytes(std::span(bytes)),
                                             static_cast<std::uint64_t>(at)));
            data[at] = std::move(bytes);
            at = end;
        }
        return data;
    }

    std::filesystem::path top_;
    std::string target_;

private:
    static inline bool namespace_ready_ = false;
    std::map<std::string, std::unique_ptr<sys::LoopDevice>> devices_;
};

} // namespace slipway::testing_support
