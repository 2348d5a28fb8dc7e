// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <filesystem>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "appliance/elf_needs.hpp"
#include "appliance/program_files.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::UnorderedElementsAre;

constexpr std::uint64_t base_address = 0x400000;

/// A program with nothing but what the loader reads.
struct CraftedElf {
    std::string interpreter{};
    std::vector<std::string> libraries{};
    std::string run_path{};

    [[nodiscard]] std::string bytes() const {
        std::string strings(1, '\0');
        auto keep = [&strings](const std::string& text) {
            auto at = strings.size();
            strings += text + '\0';
            return at;
        };
        std::vector<Elf64_Dyn> tags;
        for (const auto& name : libraries)
            tags.push_back({DT_NEEDED, {keep(name)}});
        if (!run_path.empty())
            tags.push_back({DT_RUNPATH, {keep(run_path)}});
        auto interpreter_at = keep(interpreter);
        constexpr auto tables = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
        auto strings_at = tables + (tags.size() + 2) * sizeof(Elf64_Dyn);
        tags.push_back({DT_STRTAB, {base_address + strings_at}});
        tags.push_back({DT_NULL, {0}});
        auto end = strings_at + strings.size();

        Elf64_Ehdr head{};
        std::memcpy(head.e_ident, ELFMAG, SELFMAG);
        head.e_ident[EI_CLASS] = ELFCLASS64;
        head.e_ident[EI_DATA] = ELFDATA2LSB;
        head.e_phoff = sizeof head;
        head.e_phentsize = sizeof(Elf64_Phdr);
        head.e_phnum = 3;
        Elf64_Phdr segments[3]{};
        segments[0] = {.p_type = PT_LOAD, .p_vaddr = base_address, .p_filesz = end};
        segments[1] = {.p_type = PT_DYNAMIC, .p_offset = tables};
        segments[2] = {.p_type = static_cast<Elf64_Word>(interpreter.empty() ? PT_NULL : PT_INTERP),
                       .p_offset = strings_at + interpreter_at};
        std::string file(end, '\0');
        std::memcpy(file.data(), &head, sizeof head);
        std::memcpy(file.data() + sizeof head, segments, sizeof segments);
        std::memcpy(file.data() + tables, tags.data(), tags.size() * sizeof(Elf64_Dyn));
        std::memcpy(file.data() + strings_at, strings.data(), strings.size());
        return file;
    }
};

TEST(ElfNeeds, AreReadFromTheDynamicSection) {
    auto needs = parse_elf_needs(
        CraftedElf{"/lib64/ld.so", {"libc.so.6", "libm.so.6"}, "$ORIGIN/../lib:/opt/lib"}.bytes());
    ASSERT_TRUE(needs);
    EXPECT_EQ(needs->interpreter, "/lib64/ld.so");
    EXPECT_THAT(needs->libraries, ElementsAre("libc.so.6", "libm.so.6"));
    EXPECT_THAT(needs->run_path, ElementsAre("$ORIGIN/../lib", "/opt/lib"));
}

TEST(ElfNeeds, OfThisProgramAreThere) {
    auto needs = parse_elf_needs(*sys::read_file("/proc/self/exe", 1 << 30));
    ASSERT_TRUE(needs);
    EXPECT_THAT(needs->interpreter, HasSubstr("ld-linux"));
    EXPECT_THAT(needs->libraries, testing::Contains("libc.so.6"));
}

TEST(ElfNeeds, OfAScriptAreUnsupported) {
    EXPECT_EQ(parse_elf_needs("#!/bin/sh\n").error().code, Code::Unsupported);
    EXPECT_EQ(parse_elf_needs("").error().code, Code::Unsupported);
}

// Whatever is cut off or turned round, it neither crashes nor reads outside.
TEST(ElfNeeds, OfDamagedFilesAreAnErrorOrHarmless) {
    auto whole = CraftedElf{"/lib64/ld.so", {"libc.so.6"}, "/opt"}.bytes();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_elf_needs(whole.substr(0, size))) << size;
    for (std::size_t at = SELFMAG; at < whole.size(); ++at) {
        auto changed = whole;
        changed[at] = static_cast<char>(~changed[at]);
        [[maybe_unused]] auto needs = parse_elf_needs(changed);
    }
}

class Programs : public testing::Test {
protected:
    void SetUp() override {
        host_ = testing::TempDir() + "/slipway-programs";
        std::filesystem::remove_all(host_);
    }
    void put(const std::string& path, const std::string& content) const {
        std::filesystem::create_directories(host_ + std::string(dirname_of(path)));
        ASSERT_TRUE(sys::write_file(host_ + path, content));
    }
    std::string host_;
};

TEST_F(Programs, ComeWithTheLibrariesOfTheirLibraries) {
    put("/usr/sbin/tool", CraftedElf{"/lib64/ld.so", {"liba.so"}, "$ORIGIN/../private"}.bytes());
    put("/usr/sbin/../private/liba.so", CraftedElf{"", {"libb.so"}}.bytes());
    put("/usr/lib/libb.so", CraftedElf{"", {"liba2.so"}}.bytes());
    put("/lib/liba2.so", CraftedElf{"", {"libb.so"}}.bytes()); // a circle
    put("/lib64/ld.so", CraftedElf{}.bytes());
    ProgramFiles programs(host_);
    ASSERT_TRUE(programs.add("/usr/sbin/tool"));
    EXPECT_THAT(programs.take(),
                UnorderedElementsAre(Key("/usr/sbin/tool"), Key("/usr/sbin/../private/liba.so"),
                                     Key("/usr/lib/libb.so"), Key("/lib/liba2.so"),
                                     Key("/lib64/ld.so")));
}

TEST_F(Programs, AreLeftOutWholeWhereALibraryIsMissing) {
    put("/usr/bin/tool", CraftedElf{"", {"liba.so", "libmissing.so"}}.bytes());
    put("/lib/liba.so", CraftedElf{}.bytes());
    ProgramFiles programs(host_);
    auto added = programs.add("/usr/bin/tool");
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Code::NotFound);
    EXPECT_THAT(added.error().what, HasSubstr("libmissing.so"));
    EXPECT_TRUE(programs.take().empty());
}

TEST_F(Programs, MayHaveAnotherNameInside) {
    put("/opt/worker", "#!/bin/sh\n");
    ProgramFiles programs(host_);
    ASSERT_TRUE(programs.add_as("/opt/worker", "/init"));
    EXPECT_THAT(programs.take(), UnorderedElementsAre(Key("/init")));
}

} // namespace
} // namespace slipway::appliance
