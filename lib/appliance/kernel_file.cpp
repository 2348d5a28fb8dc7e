// SPDX-License-Identifier: Apache-2.0
#include "appliance/kernel_file.hpp"

#include <cstring>
#include <optional>

#include <elf.h>

#include <fmt/format.h>

namespace slipway::appliance {
namespace {

constexpr std::size_t boot_magic_at = 0x202; // Documentation/x86/boot.rst
constexpr std::size_t arm64_magic_at = 0x38, riscv_magic_at = 0x38;

bool has_at(std::string_view content, std::size_t at, std::string_view text) {
    return content.size() >= at + text.size() && content.substr(at, text.size()) == text;
}

template <class T> std::optional<T> record_at(std::string_view content, std::uint64_t at) {
    T record{};
    if (at > content.size() || content.size() - at < sizeof record)
        return std::nullopt;
    std::memcpy(&record, content.data() + at, sizeof record);
    return record;
}

std::string machine_name(unsigned machine) {
    switch (machine) {
    case EM_AARCH64:
        return "aarch64";
    case EM_ARM:
        return "arm";
    case EM_386:
        return "i386";
    case EM_PPC64:
        return "ppc64";
    case EM_RISCV:
        return "riscv";
    case EM_S390:
        return "s390x";
    default:
        return fmt::format("machine {}", machine);
    }
}

Error other_architecture(const std::string& name) {
    return {.code = Code::Unsupported,
            .what = fmt::format("this is a kernel for {}", name),
            .hint = "kernels for x86-64 can be booted here"};
}

// Only User-mode Linux has tables of what it does with its command line as a program.
bool has_section(std::string_view content, const Elf64_Ehdr& header, std::string_view wanted) {
    auto names = record_at<Elf64_Shdr>(content, header.e_shoff + std::uint64_t{header.e_shstrndx} *
                                                                     sizeof(Elf64_Shdr));
    if (!names)
        return false;
    for (unsigned index = 0; index < header.e_shnum; ++index) {
        auto section = record_at<Elf64_Shdr>(content, header.e_shoff + index * sizeof(Elf64_Shdr));
        if (!section)
            return false;
        auto at = names->sh_offset + section->sh_name;
        if (at < content.size() && content.substr(at, wanted.size()) == wanted)
            return true;
    }
    return false;
}

bool is_dynamic(std::string_view content, const Elf64_Ehdr& header) {
    for (unsigned index = 0; index < header.e_phnum; ++index) {
        auto segment = record_at<Elf64_Phdr>(content, header.e_phoff + index * sizeof(Elf64_Phdr));
        if (segment && segment->p_type == PT_INTERP)
            return true;
    }
    return false;
}

// Where the kernel is entered by the PVH protocol: a note of the owner "Xen".
bool has_pvh_entry(std::string_view content, const Elf64_Ehdr& header) {
    constexpr unsigned physical_entry = 18; // XEN_ELFNOTE_PHYS32_ENTRY
    auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    for (unsigned index = 0; index < header.e_phnum; ++index) {
        auto segment = record_at<Elf64_Phdr>(content, header.e_phoff + index * sizeof(Elf64_Phdr));
        if (!segment || segment->p_type != PT_NOTE || segment->p_filesz > content.size())
            continue;
        auto end = segment->p_offset + segment->p_filesz;
        for (auto at = segment->p_offset; at < end;) {
            auto note = record_at<Elf64_Nhdr>(content, at);
            if (!note)
                break;
            if (note->n_type == physical_entry && has_at(content, at + sizeof *note, "Xen"))
                return true;
            at += sizeof *note + padded(note->n_namesz) + padded(note->n_descsz);
        }
    }
    return false;
}

Result<KernelKind> kind_of_elf(std::string_view content) {
    auto header = record_at<Elf64_Ehdr>(content, 0);
    if (!header)
        return fail(Code::Corrupt, "this ELF file is cut off");
    if (header->e_machine != EM_X86_64 || header->e_ident[EI_CLASS] != ELFCLASS64)
        return fail(other_architecture(machine_name(header->e_machine)));
    if (has_section(content, *header, ".uml.")) {
        if (is_dynamic(content, *header))
            return KernelKind::Uml;
        return fail(Code::Unsupported, "this User-mode Linux is linked statically",
                    "build it with CONFIG_STATIC_LINK=n (the default): Slipway gives it its memory "
                    "and its disks by a library that it loads");
    }
    if (release_in_banner(content).empty())
        return fail(Code::Corrupt, "this is a program, but no Linux kernel");
    if (!has_pvh_entry(content, *header))
        return fail(Code::Unsupported, "QEMU cannot start this vmlinux, which has no PVH entry",
                    "give the bzImage of the same build (arch/x86/boot/bzImage), or build it with "
                    "CONFIG_PVH");
    return KernelKind::Vmlinux;
}

// What its header says it has (Linux x86 boot protocol: setup_sects, syssize in 16 bytes).
bool is_whole_image(std::string_view content) {
    constexpr std::uint64_t setup_sectors_at = 0x1f1, size_at = 0x1f4, sector = 512, unit = 16;
    auto sectors = record_at<std::uint8_t>(content, setup_sectors_at);
    auto size = record_at<std::uint32_t>(content, size_at);
    if (!sectors || !size)
        return false;
    auto setup = *sectors == 0 ? 4U : *sectors; // of old
    return content.size() >= (setup + 1) * sector + std::uint64_t{*size} * unit;
}

} // namespace

Result<KernelKind> kernel_kind(std::string_view content) {
    if (has_at(content, boot_magic_at, "HdrS"))
        return is_whole_image(content)
                   ? Result<KernelKind>(KernelKind::BzImage)
                   : fail(Code::Corrupt, "this kernel is cut off", "copy it again");
    if (has_at(content, 0, ELFMAG))
        return kind_of_elf(content);
    if (has_at(content, 0, "!<arch>\ndebian-binary"))
        return KernelKind::Package;
    if (has_at(content, arm64_magic_at, "ARM\x64"))
        return fail(other_architecture("aarch64"));
    if (has_at(content, riscv_magic_at, "RSC\x05"))
        return fail(other_architecture("riscv"));
    return fail(Code::Corrupt, "this is no Linux kernel",
                "give a bzImage, a vmlinux, a kernel's build tree, a User-mode Linux program or a "
                "DEB package of a kernel");
}

std::string release_in_banner(std::string_view content) {
    constexpr std::string_view mark = "Linux version ";
    for (auto at = content.find(mark); at != std::string_view::npos;
         at = content.find(mark, at + 1)) {
        auto text = content.substr(at + mark.size(), 80);
        auto release = text.substr(0, text.find(' '));
        // The format of the banner ("%s") stands there too.
        if (!release.empty() && release.front() >= '0' && release.front() <= '9' &&
            release.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                      "YZ.-_+~") == std::string_view::npos)
            return std::string(release);
    }
    return {};
}

} // namespace slipway::appliance
