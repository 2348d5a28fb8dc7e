// SPDX-License-Identifier: Apache-2.0
#include "base/elf.hpp"

#include <algorithm>
#include <array>

#include <elf.h>

#include <fmt/format.h>

namespace slipway {
namespace {

struct Machine {
    unsigned elf;
    std::string_view name;
};
constexpr std::array machines{
    Machine{EM_X86_64, "x86_64"}, Machine{EM_386, "i386"},        Machine{EM_AARCH64, "aarch64"},
    Machine{EM_ARM, "arm"},       Machine{EM_RISCV, "riscv64"},   Machine{EM_S390, "s390x"},
    Machine{EM_PPC, "ppc"},       Machine{EM_SPARCV9, "sparc64"}, Machine{EM_IA_64, "ia64"},
    Machine{258, "loongarch64"}, // EM_LOONGARCH, which glibc 2.36 lacks
};

} // namespace

std::string elf_machine(std::string_view header) {
    constexpr std::size_t machine_at = 18; // e_machine, see elf(5)
    if (header.size() < elf_machine_size || !header.starts_with(ELFMAG))
        return {};
    auto byte = [&](std::size_t at) {
        return static_cast<unsigned>(static_cast<unsigned char>(header[at]));
    };
    bool little = byte(EI_DATA) == ELFDATA2LSB;
    bool is_64_bit = byte(EI_CLASS) == ELFCLASS64;
    auto machine = little ? byte(machine_at) | byte(machine_at + 1) << 8
                          : byte(machine_at) << 8 | byte(machine_at + 1);
    if (machine == EM_PPC64)
        return little ? "ppc64le" : "ppc64";
    if (machine == EM_MIPS)
        return fmt::format("mips{}{}", is_64_bit ? "64" : "", little ? "el" : "");
    if (machine == EM_S390 && !is_64_bit)
        return "s390";
    if (machine == EM_RISCV && !is_64_bit)
        return "riscv32";
    const auto* known = std::find_if(machines.begin(), machines.end(),
                                     [&](const auto& each) { return each.elf == machine; });
    return known == machines.end() ? std::string{} : std::string(known->name);
}

} // namespace slipway
