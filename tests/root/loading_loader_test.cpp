// SPDX-License-Identifier: Apache-2.0
// From a server to a root, as root: mounts, loop devices and memory of its own.
#include "loading/loader.hpp"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>

#include "support/elf_header.hpp"
#include "support/loader_case.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::elf_header;

class Roots : public testing_support::LoaderCase {
protected:
    static void SetUpTestSuite() { ASSERT_TRUE(sys::enter_private_mount_namespace()); }
    void SetUp() override {
        LoaderCase::SetUp();
        for (const auto* tool : {"mksquashfs", "mkfs.erofs", "zstd"})
            if (!sys::find_program(tool))
                GTEST_SKIP() << tool << " is not installed";
        options_.program = SLIPWAY_BINARY_DIR "/libexec/slipway-init";
        fs::create_directories(top_ / "tree/sbin");
        fs::create_directories(top_ / "tree/etc");
        put("etc/os-release", "ID=test\n");
        put("sbin/init", "#!/bin/sh\n");
    }
    void put(const std::string& path, const std::string& content) const {
        std::ofstream(top_ / "tree" / path) << content;
        fs::permissions(top_ / "tree" / path, fs::perms{0755});
    }
    // Makes a file of the tree by a command, and serves it as /image.
    void pack(const std::string& command) {
        auto run = fmt::format("cd {}/tree && {} >/dev/null 2>&1", top_.string(),
                               replace_all(command, "OUT", "../image"));
        ASSERT_EQ(std::system(run.c_str()), 0) << run;
        serve_file("/image", top_ / "image");
    }
    void cut(double part) {
        auto size = static_cast<double>(fs::file_size(top_ / "image"));
        fs::resize_file(top_ / "image", static_cast<std::uintmax_t>(size * part));
        serve_file("/image", top_ / "image");
    }
    // What an operator sees.
    std::string load() {
        Loader loader(options_);
        auto wanted = request({"/image"});
        auto image = loader.fetch(wanted, cancel_);
        if (!image)
            return render_text(image.error());
        auto entrance = loader.prepare(wanted, *image);
        if (!entrance)
            return render_text(entrance.error());
        auto path = entrance->root.path();
        auto text = sys::read_file(path + "/etc/os-release").value_or("nothing");
        bool can_write = sys::write_file(path + "/etc/new", "new").has_value();
        auto closed = entrance->root.close();
        return fmt::format("{} {} {}{}", entrance->init, trim(text), can_write ? "new" : "old",
                           closed ? "" : render_text(closed.error()));
    }
    [[nodiscard]] std::size_t mounts() const { return sys::mounts_below(top_).value().size(); }
};

constexpr auto good = "/sbin/init ID=test new";

TEST_F(Roots, OfEachFormat) {
    for (const auto* command : {"mksquashfs . OUT -noappend", "mkfs.erofs OUT .", "tar -cf OUT .",
                                "tar -czf OUT .", "tar -cJf OUT .", "tar --zstd -cf OUT .",
                                "rm -f OUT && truncate -s 8M OUT && mkfs.ext4 -q -d . OUT"}) {
        pack(command);
        EXPECT_EQ(load(), good) << command;
        EXPECT_EQ(mounts(), 0) << command;
    }
}

// The first partition has a filesystem without a system.
std::string disk_with(const std::string& label, const std::string& second) {
    return fmt::format(
        "rm -f OUT ../one ../two && truncate -s 12M OUT && truncate -s 1M ../one && "
        "truncate -s 8M ../two && mkfs.ext4 -q ../one && {} && "
        "printf 'label: {}\\nstart=2048,size=2048\\nstart=4096,size=16384\\n' | sfdisk -q OUT && "
        "dd if=../one of=OUT bs=512 seek=2048 conv=notrunc && "
        "dd if=../two of=OUT bs=512 seek=4096 conv=notrunc",
        second, label);
}

TEST_F(Roots, OfADiskTheFirstPartitionWithASystem) {
    for (const auto* label : {"gpt", "dos"}) {
        pack(disk_with(label, "mkfs.ext4 -q -d . ../two"));
        EXPECT_EQ(load(), good) << label;
        EXPECT_EQ(mounts(), 0) << label;
    }
    pack(disk_with("gpt", "true"));
    EXPECT_THAT(load(), AllOf(HasSubstr("no partition of the image has a system"),
                              HasSubstr("at 1 MiB: ext4, the image has no init"),
                              HasSubstr("at 2 MiB: no filesystem that is taken here")));
    EXPECT_EQ(mounts(), 0);
}

TEST_F(Roots, WhatCannotBeEnteredIsToldAndLeavesNothing) {
    struct Case {
        const char* command;
        std::function<void()> before, after;
        const char* told;
    };
    auto nothing = [] {};
    auto big = [this] {
        std::string noise;
        for (unsigned each = 1; noise.size() < 1 << 20; each = each * 1664525 + 1013904223)
            noise += static_cast<char>(each >> 24);
        put("etc/noise", noise);
    };
    const Case cases[]{
        {"tar -cf OUT etc", nothing, nothing, "the image has no init"},
        {"mksquashfs etc OUT -noappend", nothing, nothing, "the image has no init"},
        {"tar -cf OUT .",
         [this] { put("sbin/init", elf_header(ELFCLASS64, ELFDATA2MSB, EM_PPC64)); }, nothing,
         "the image is for ppc64, and this machine is "},
        {"tar -czf OUT .", big, [this] { cut(0.5); }, "unpacking the image: "},
        {"tar -cf OUT .", big, [this] { cut(0.5); }, "unpacking the image: "},
        {"tar --zstd -cf OUT .", big, [this] { cut(0.9); }, "unpacking the image: "},
        {"mksquashfs . OUT -noappend", big, [this] { cut(0.5); }, "the image is cut off"},
        {"mkfs.erofs OUT .", big, [this] { cut(0.5); }, "the image is cut off"},
        {"cp /dev/null OUT && printf hsqs > OUT && truncate -s 1M OUT", nothing, nothing,
         "looks like squashfs, and cannot be mounted"},
        {"tar -cPf OUT ../tree/etc . --transform s,^../tree,..,", nothing, nothing,
         "could not be unpacked"},
    };
    for (const auto& each : cases) {
        each.before();
        pack(each.command);
        each.after();
        EXPECT_THAT(load(), HasSubstr(each.told)) << each.command;
        EXPECT_EQ(mounts(), 0) << each.command;
        put("sbin/init", "#!/bin/sh\n");
    }
    EXPECT_FALSE(fs::exists(top_ / "target/etc"));
}

TEST_F(Roots, LinksOfAnArchiveStayInIt) {
    // The first makes a link that leads out, the second writes through it.
    pack("mkdir ../links && ln -s / ../links/out && mkdir -p ../files/out/etc && "
         "echo evil > ../files/out/slipway-evil && tar -C ../links -cf OUT out && "
         "tar -C ../files -rf OUT out/slipway-evil && tar -rf OUT .");
    EXPECT_THAT(load(), testing::StartsWith("/sbin/init"));
    EXPECT_FALSE(fs::exists("/slipway-evil"));
}

} // namespace
} // namespace slipway::loading
