// SPDX-License-Identifier: Apache-2.0
#include "appliance/elf_needs.hpp"

#include <cstring>
#include <optional>

#include <elf.h>

#include "base/strings.hpp"

namespace slipway::appliance {
namespace {

constexpr std::size_t most_headers = 256, most_tags = 4096;

tl::unexpected<Error> damaged() {
    return fail(Code::Corrupt, "the ELF headers point out of the file");
}

class File {
public:
    explicit File(std::string_view bytes) : bytes_(bytes) {}

    template <typename Record> [[nodiscard]] std::optional<Record> at(std::uint64_t offset) const {
        if (offset > bytes_.size() || bytes_.size() - offset < sizeof(Record))
            return std::nullopt;
        Record record;
        std::memcpy(&record, bytes_.data() + offset, sizeof record);
        return record;
    }
    [[nodiscard]] std::optional<std::string> text_at(std::uint64_t offset) const {
        if (offset >= bytes_.size())
            return std::nullopt;
        auto end = bytes_.find('\0', offset);
        if (end == std::string_view::npos)
            return std::nullopt;
        return std::string(bytes_.substr(offset, end - offset));
    }

private:
    std::string_view bytes_;
};

Result<std::vector<Elf64_Phdr>> segments_of(const File& file) {
    auto head = file.at<Elf64_Ehdr>(0);
    if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB)
        return fail(Code::Unsupported, "no 64-bit ELF file");
    if (head->e_phnum > most_headers || head->e_phentsize != sizeof(Elf64_Phdr))
        return damaged();
    std::vector<Elf64_Phdr> segments;
    for (std::size_t index = 0; index < head->e_phnum; ++index) {
        auto segment = file.at<Elf64_Phdr>(head->e_phoff + index * sizeof(Elf64_Phdr));
        if (!segment)
            return damaged();
        segments.push_back(*segment);
    }
    return segments;
}

std::optional<std::uint64_t> offset_of(const std::vector<Elf64_Phdr>& segments,
                                       std::uint64_t address) {
    for (const auto& segment : segments)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
            address - segment.p_vaddr < segment.p_filesz)
            return address - segment.p_vaddr + segment.p_offset;
    return std::nullopt;
}

// Offsets into the table of strings, until that is known.
struct DynamicTags {
    std::vector<std::uint64_t> libraries;
    std::optional<std::uint64_t> rpath, runpath, strings;
};

Result<DynamicTags> tags_of(const File& file, const Elf64_Phdr& dynamic) {
    DynamicTags tags;
    for (std::size_t index = 0; index < most_tags; ++index) {
        auto tag = file.at<Elf64_Dyn>(dynamic.p_offset + index * sizeof(Elf64_Dyn));
        if (!tag)
            return damaged();
        switch (tag->d_tag) {
        case DT_NULL:
            return tags;
        case DT_NEEDED:
            tags.libraries.push_back(tag->d_un.d_val);
            break;
        case DT_RPATH:
            tags.rpath = tag->d_un.d_val;
            break;
        case DT_RUNPATH:
            tags.runpath = tag->d_un.d_val;
            break;
        case DT_STRTAB:
            tags.strings = tag->d_un.d_ptr;
            break;
        default:
            break;
        }
    }
    return damaged();
}

Status read_dynamic(const File& file, const std::vector<Elf64_Phdr>& segments,
                    const Elf64_Phdr& dynamic, ElfNeeds& needs) {
    SLIPWAY_TRY(auto tags, tags_of(file, dynamic));
    auto strings = tags.strings ? offset_of(segments, *tags.strings) : std::nullopt;
    auto text = [&](std::uint64_t offset) {
        return strings ? file.text_at(*strings + offset) : std::nullopt;
    };
    for (auto offset : tags.libraries) {
        auto name = text(offset);
        if (!name)
            return damaged();
        needs.libraries.push_back(std::move(*name));
    }
    // DT_RPATH does not count where there is a DT_RUNPATH.
    if (auto path = tags.runpath ? tags.runpath : tags.rpath) {
        auto list = text(*path);
        if (!list)
            return damaged();
        for (auto directory : split(*list, ':'))
            if (!directory.empty())
                needs.run_path.emplace_back(directory);
    }
    return {};
}

} // namespace

Result<ElfNeeds> parse_elf_needs(std::string_view bytes) {
    File file(bytes);
    SLIPWAY_TRY(auto segments, segments_of(file));
    ElfNeeds needs;
    for (const auto& segment : segments)
        if (segment.p_type == PT_INTERP) {
            auto name = file.text_at(segment.p_offset);
            if (!name)
                return damaged();
            needs.interpreter = std::move(*name);
        } else if (segment.p_type == PT_DYNAMIC)
            SLIPWAY_CHECK(read_dynamic(file, segments, segment, needs));
    return needs;
}

} // namespace slipway::appliance
