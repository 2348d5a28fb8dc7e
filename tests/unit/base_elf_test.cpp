// SPDX-License-Identifier: Apache-2.0
#include "base/elf.hpp"

#include <gtest/gtest.h>

#include "support/elf_header.hpp"

namespace slipway {
namespace {

using testing_support::elf_header;

TEST(Elf, MachineByItsHeader) {
    struct Case {
        unsigned char elf_class, data;
        unsigned machine;
        const char* name;
    };
    for (const auto& each : {Case{ELFCLASS64, ELFDATA2LSB, EM_X86_64, "x86_64"},
                             Case{ELFCLASS32, ELFDATA2LSB, EM_386, "i386"},
                             Case{ELFCLASS64, ELFDATA2LSB, EM_AARCH64, "aarch64"},
                             Case{ELFCLASS64, ELFDATA2LSB, EM_PPC64, "ppc64le"},
                             Case{ELFCLASS64, ELFDATA2MSB, EM_PPC64, "ppc64"},
                             Case{ELFCLASS64, ELFDATA2MSB, EM_S390, "s390x"},
                             Case{ELFCLASS64, ELFDATA2LSB, EM_RISCV, "riscv64"},
                             Case{ELFCLASS32, ELFDATA2LSB, EM_MIPS, "mipsel"},
                             Case{ELFCLASS64, ELFDATA2LSB, 0xfff0, ""}})
        EXPECT_EQ(elf_machine(elf_header(each.elf_class, each.data, each.machine)), each.name);
    EXPECT_EQ(elf_machine("#!/bin/sh"), "");
    EXPECT_EQ(elf_machine("\x7f"
                          "ELF"),
              "");
}

} // namespace
} // namespace slipway
