// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "appliance/tested_kernel.hpp"

namespace slipway::appliance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string with_text_at(std::size_t at, std::string_view text) {
    std::string content(at + text.size() + 64, '\0');
    content.replace(at, text.size(), text);
    return content;
}

template <class T> void append(std::string& content, const T& record) {
    content.append(reinterpret_cast<const char*>(&record), sizeof record);
}

// An ELF file with a segment of notes, one of another type, and the names of sections.
std::string elf(unsigned machine, bool pvh, std::string_view section, std::string_view text,
                unsigned other = PT_INTERP) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_machine = static_cast<Elf64_Half>(machine);
    header.e_phoff = sizeof header;
    header.e_phnum = 2;
    Elf64_Phdr segment{};
    segment.p_type = PT_NOTE;
    segment.p_offset = sizeof header + 2 * sizeof segment;
    segment.p_filesz = sizeof(Elf64_Nhdr) + 8;
    header.e_shoff = segment.p_offset + segment.p_filesz;
    header.e_shnum = 2;
    header.e_shstrndx = 1;
    std::string content;
    append(content, header);
    append(content, segment);
    append(content, Elf64_Phdr{.p_type = other});
    append(content, Elf64_Nhdr{.n_namesz = 4, .n_descsz = 4, .n_type = pvh ? 18U : 6U});
    content.append(std::string_view("Xen\0\0\0\0\0", 8));
    Elf64_Shdr named{}, names{};
    named.sh_name = 1;
    names.sh_offset = header.e_shoff + 2 * sizeof named;
    append(content, named);
    append(content, names);
    content.push_back('\0');
    content.append(section);
    content.push_back('\0');
    return content.append(text);
}

constexpr std::string_view banner = "Linux version 6.1.0-test (me@here)";

TEST(KernelFile, KindsByContent) {
    auto boots = with_text_at(0x202, "HdrS");
    boots[0x1f1] = 1;    // sectors after the first
    boots[0x1f4] = 0x10; // of 16 bytes
    boots.resize(2 * 512 + 256);
    EXPECT_EQ(kernel_kind(boots).value(), KernelKind::BzImage);
    boots.pop_back();
    EXPECT_THAT(kernel_kind(boots).error().what, testing::HasSubstr("cut off"));
    EXPECT_EQ(kernel_kind("!<arch>\ndebian-binary   1").value(), KernelKind::Package);
    EXPECT_EQ(kernel_kind(elf(EM_X86_64, true, ".text", banner)).value(), KernelKind::Vmlinux);
    EXPECT_EQ(kernel_kind(elf(EM_X86_64, false, ".uml.setup.init", banner)).value(),
              KernelKind::Uml);
}

TEST(KernelFile, WhatCannotBeBootedIsNamed) {
    auto refused = [](const std::string& content) { return kernel_kind(content).error(); };
    EXPECT_THAT(refused(elf(EM_X86_64, false, ".text", banner)).hint, HasSubstr("CONFIG_PVH"));
    EXPECT_THAT(refused(elf(EM_X86_64, true, ".text", "no kernel")).what, HasSubstr("no Linux"));
    EXPECT_THAT(refused(elf(EM_X86_64, false, ".uml.setup.init", banner, PT_NULL)).hint,
                HasSubstr("CONFIG_STATIC_LINK=n"));
    EXPECT_THAT(refused(elf(EM_AARCH64, true, ".text", banner)).what, HasSubstr("aarch64"));
    EXPECT_THAT(refused(with_text_at(0x38, "ARM\x64")).what, HasSubstr("aarch64"));
    EXPECT_EQ(refused("text").code, Code::Corrupt);
    EXPECT_EQ(refused("").code, Code::Corrupt);
}

TEST(KernelFile, ElfFilesThatAreCutOffAreNoKernels) {
    auto whole = elf(EM_X86_64, true, ".text", banner);
    for (std::size_t size = 4; size + banner.size() < whole.size(); ++size)
        EXPECT_FALSE(kernel_kind(whole.substr(0, size))) << size;
}

TEST(KernelFile, ReleaseInTheBanner) {
    EXPECT_EQ(release_in_banner("…Linux version %s (%s)…Linux version 6.1.0-rc1+ (me) #1"),
              "6.1.0-rc1+");
    EXPECT_EQ(release_in_banner("Linux version "), "");
    EXPECT_EQ(release_in_banner("Linux version 6/../.. x"), "");
}

TEST(TestedKernel, DriversByConfigurationOrByModules) {
    TestedKernel configured{.release = "6.1",
                            .modules = "/none",
                            .config = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n"};
    EXPECT_EQ(driver_of(configured, "a", "A"), Driver::BuiltIn);
    EXPECT_EQ(driver_of(configured, "b", "B"), Driver::Module);
    EXPECT_EQ(driver_of(configured, "c", "C"), Driver::Absent);
    configured.modules.clear();
    EXPECT_EQ(driver_of(configured, "b", "B"), Driver::Absent);
    TestedKernel listed{.builtin = "kernel/fs/9p/9p.ko\nkernel/x-y.ko\n"};
    EXPECT_EQ(driver_of(listed, "9p", "9P_FS"), Driver::BuiltIn);
    EXPECT_EQ(driver_of(listed, "x_y", "X_Y"), Driver::BuiltIn);
    EXPECT_EQ(driver_of(listed, "virtiofs", "VIRTIO_FS"), Driver::Absent);
    EXPECT_EQ(driver_of({}, "9p", "9P_FS"), Driver::Unknown);
}

TEST(TestedKernel, OnlyWhatIsCertainlyAbsentIsMissing) {
    constexpr std::array wanted{WantedDriver{"a", "A"}, WantedDriver{"b", "B"}};
    EXPECT_THAT(absent_drivers({}, wanted), IsEmpty());
    EXPECT_THAT(absent_drivers({.config = "CONFIG_A=y\n"}, wanted), ElementsAre("CONFIG_B"));
}

} // namespace
} // namespace slipway::appliance
