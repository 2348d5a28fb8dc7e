// SPDX-License-Identifier: Apache-2.0
// Scratch disks of the VM, what real tools make of them, and the stack over them. See in_uml.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "image/layout.hpp"
#include "storage/device_mapper.hpp"
#include "storage/lvm_text.hpp"
#include "storage/stack.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::storage {

using Words = std::vector<std::string>;
inline const std::string scratch = "/run/slipway/scratch";

class StorageTest : public testing::Test {
protected:
    static constexpr unsigned disk_count = 4;

    static std::string node_of(unsigned disk) {
        return std::string("/dev/ubd") + static_cast<char>('a' + disk);
    }
    void SetUp() override {
        if (::access("/dev/ubdd", F_OK) != 0)
            GTEST_SKIP() << "wants the scratch disks of tests/storage/in_uml";
        ASSERT_TRUE(need_device_mapper("test"));
        ASSERT_TRUE(need_md("test"));
        for (unsigned disk = 0; disk < disk_count; ++disk) {
            set_read_only(disk, false);
            wipe(node_of(disk));
        }
    }
    void TearDown() override {
        EXPECT_THAT(mapped_names(), testing::IsEmpty());
        for (const auto& entry : std::filesystem::directory_iterator("/sys/block"))
            EXPECT_FALSE(entry.path().filename().string().starts_with("md")) << entry.path();
    }

    static Words mapped_names() {
        Words names;
        for (const auto& each : mapped_devices())
            names.push_back(each.name);
        return names;
    }
    static void wipe(const std::string& node) {
        auto fd = sys::open_file(node, O_WRONLY);
        ASSERT_TRUE(fd);
        auto size = static_cast<std::uint64_t>(::lseek(fd->raw(), 0, SEEK_END));
        std::string zeros(2 << 20, '\0');
        ASSERT_TRUE(sys::write_all_at(*fd, zeros, 0));
        ASSERT_TRUE(sys::write_all_at(*fd, zeros, size - zeros.size()));
        ASSERT_EQ(::fsync(fd->raw()), 0);
    }
    static void set_read_only(unsigned disk, bool read_only) {
        auto fd = sys::open_file(node_of(disk), O_RDONLY);
        int value = read_only ? 1 : 0;
        ASSERT_EQ(::ioctl(fd->raw(), BLKROSET, &value), 0);
    }
    std::string hash_of(unsigned disk) {
        auto fd = sys::open_file(node_of(disk), O_RDONLY);
        EXPECT_EQ(::ioctl(fd->raw(), BLKFLSBUF, 0), 0); // what the disk has, not the cache
        return tool({"sha256sum", node_of(disk)});
    }

    std::string tool(Words argv, const std::string& input = "") {
        auto done =
            sys::run(runner_, {.argv = argv, .env = {"DM_DISABLE_UDEV=1", "MDADM_NO_UDEV=1"}},
                     {.input = input});
        EXPECT_TRUE(done) << argv[0];
        if (!done)
            return {};
        EXPECT_EQ(done->status, 0) << testing::PrintToString(argv) << "\n"
                                   << done->out << done->err;
        return done->out;
    }
    std::string lvm(const std::string& command, const Words& nodes, const Words& arguments) {
        Words argv{"lvm", command, "-y", "--config",
                   lvm_config({.nodes = nodes, .lock_dir = scratch})};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return tool(argv);
    }
    /// A group over these nodes; `volumes` are further arguments of lvcreate.
    void make_group(const std::string& name, const Words& nodes,
                    const std::vector<Words>& volumes) {
        for (const auto* target : {"snapshot", "thin-pool"})
            load_target(target);
        for (const auto& node : nodes)
            lvm("pvcreate", {node}, {"-ff", node});
        Words arguments{name};
        arguments.insert(arguments.end(), nodes.begin(), nodes.end());
        lvm("vgcreate", nodes, arguments);
        for (const auto& volume : volumes)
            lvm("lvcreate", nodes, volume);
    }
    void close_group(const std::string& name, const Words& nodes) {
        lvm("vgchange", nodes, {"-an", name});
    }
    void make_luks(const std::string& node, const std::string& passphrase) {
        tool({"cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2",
              "--pbkdf-force-iterations", "1000", "--key-file=-", node},
             passphrase);
    }
    void open_luks(const std::string& node, const std::string& name,
                   const std::string& passphrase) {
        tool({"cryptsetup", "open", "--key-file=-", node, name}, passphrase);
    }
    void make_array(const std::string& level, const Words& members,
                    const std::string& name = "data") {
        Words argv{"mdadm",
                   "--create",
                   "/dev/md0",
                   "--run",
                   "--metadata=1.2",
                   "--homehost=guest",
                   "--assume-clean",
                   "--name=" + name,
                   "--level=" + level,
                   "-n" + std::to_string(members.size())};
        argv.insert(argv.end(), members.begin(), members.end());
        tool(argv);
    }
    void make_ext4(const std::string& node, const std::string& label) {
        tool({"mkfs.ext4", "-q", "-L", label, node});
    }

    /// The disks as volumes sda, sdb, …
    static Devices disks(std::vector<unsigned> numbers) {
        Devices devices;
        for (auto number : numbers) {
            auto name = image::disk_name(number);
            auto fd = sys::open_file(node_of(number), O_RDONLY);
            auto size = static_cast<std::uint64_t>(::lseek(fd->raw(), 0, SEEK_END));
            auto layout = image::probe_layout(*fd, name, size);
            EXPECT_TRUE(layout && layout->volumes.size() == 1) << name;
            if (layout && layout->volumes.size() == 1)
                devices.push_back({.volume = layout->volumes[0], .node = node_of(number)});
        }
        return devices;
    }
    [[nodiscard]] sys::Host host() { return {.runner = &runner_}; }
    Result<Stack> open(std::vector<unsigned> numbers, const Options& options = {}) {
        return Stack::open(host(), disks(std::move(numbers)), options);
    }
    static Options with_key(const std::string& selector, const std::string& secret) {
        Options options;
        options.keys.push_back({selector, Secret(secret)});
        return options;
    }

    static Words names_of(const Stack& stack) {
        Words names;
        for (const auto& each : stack.volumes())
            names.push_back(each.volume.name);
        return names;
    }
    static std::string why(const Stack& stack) {
        std::string text;
        for (const auto& each : stack.unopened())
            text += each.volume + ": " + render_text(each.error) + "\n";
        return text;
    }
    static const Device* find(const Stack& stack, const std::string& name) {
        for (const auto& each : stack.volumes())
            if (each.volume.name == name)
                return &each;
        ADD_FAILURE() << "no volume " << name << ", but " << testing::PrintToString(names_of(stack))
                      << "\n"
                      << why(stack);
        static const Device none;
        return &none;
    }
    static bool has_finding(const Stack& stack, const std::string& id) {
        const auto& all = stack.findings();
        return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.id == id; });
    }

    sys::LocalRunner runner_;
};

} // namespace slipway::storage
