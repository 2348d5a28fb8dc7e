// SPDX-License-Identifier: Apache-2.0
#include "mount/fstab.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace slipway::mount {
namespace {

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

std::string unescape(std::string_view field) {
    std::string out;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] == '\\' && i + 3 < field.size() && field[i + 1] <= '3' &&
            is_octal(field[i + 1]) && is_octal(field[i + 2]) && is_octal(field[i + 3])) {
            out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
                                     (field[i + 3] - '0'));
            i += 3;
        } else
            out += field[i];
    }
    return out;
}

std::string escape(std::string_view field) {
    std::string out;
    for (char c : field) {
        if (c == ' ')
            out += "\\040";
        else if (c == '\t')
            out += "\\011";
        else if (c == '\n')
            out += "\\012";
        else if (c == '\\')
            out += "\\134";
        else
            out += c;
    }
    return out;
}

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

// Only blanks and tabs part the fields, as of libmount; a line may end in CR LF.
std::vector<std::string_view> split_fields(std::string_view line) {
    if (line.ends_with('\n'))
        line.remove_suffix(1);
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    std::vector<std::string_view> fields;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != std::string_view::npos;) {
        auto end = std::min(line.find_first_of(" \t", at), line.size());
        fields.push_back(line.substr(at, end - at));
        at = end;
    }
    return fields;
}

std::vector<std::string> lines_with_terminators(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        auto end = text.find('\n');
        auto size = end == std::string_view::npos ? text.size() : end + 1;
        lines.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return lines;
}

bool all_digits(std::string_view text) {
    return parse_number(text).has_value();
}

// "sda2" -> disk 0, partition 2, after the bus prefix has gone: "a2".
std::optional<DiskPartition> parse_lettered(std::string_view rest) {
    unsigned disk = 0;
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z' && letters < 3)
        disk = disk * 26 + static_cast<unsigned>(rest[letters++] - 'a') + 1;
    if (letters == 0)
        return std::nullopt;
    auto digits = rest.substr(letters);
    if (digits.empty())
        return DiskPartition{disk - 1, 0};
    auto partition = parse_number(digits);
    if (!partition || *partition == 0 || *partition > 256)
        return std::nullopt;
    return DiskPartition{disk - 1, static_cast<unsigned>(*partition)};
}

// "0n1p3" after nvme, "0p3" after mmcblk, "c0d0p1" after cciss/: the number before an optional pN.
std::optional<DiskPartition> parse_numbered(std::string_view rest,
                                            std::string_view disk_digits_after) {
    auto p = rest.rfind('p');
    std::uint64_t partition = 0;
    if (p != std::string_view::npos && all_digits(rest.substr(p + 1))) {
        partition = *parse_number(rest.substr(p + 1));
        rest = rest.substr(0, p);
    }
    auto first = rest;
    if (!disk_digits_after.empty()) {
        auto at = rest.find(disk_digits_after);
        if (at == std::string_view::npos)
            return std::nullopt;
        first = disk_digits_after == "n" ? rest.substr(0, at)
                                         : rest.substr(at + disk_digits_after.size());
    }
    auto disk = parse_number(first);
    if (!disk || *disk > 255 || partition > 256)
        return std::nullopt;
    return DiskPartition{static_cast<unsigned>(*disk), static_cast<unsigned>(partition)};
}

} // namespace

Fstab Fstab::parse(std::string_view text) {
    Fstab fstab;
    fstab.raw_ = lines_with_terminators(text);
    for (std::size_t i = 0; i < fstab.raw_.size(); ++i) {
        auto fields = split_fields(fstab.raw_[i]);
        if (fields.empty() || fields[0].front() == '#')
            continue;
        auto line_no = static_cast<int>(i) + 1;
        if (fields.size() < 3 || fstab.raw_[i].find('\0') != std::string::npos) {
            fstab.malformed_.push_back(line_no);
            continue;
        }
        fstab.lines_.push_back({.line_no = line_no,
                                .spec = unescape(fields[0]),
                                .mountpoint = unescape(fields[1]),
                                .type = unescape(fields[2]),
                                .options = fields.size() > 3 ? unescape(fields[3]) : ""});
    }
    return fstab;
}

void Fstab::set_spec(int line_no, std::string_view spec) {
    auto known = std::find_if(lines_.begin(), lines_.end(),
                              [&](const auto& line) { return line.line_no == line_no; });
    if (known == lines_.end())
        return;
    auto& raw = raw_[static_cast<std::size_t>(line_no) - 1];
    auto start = std::find_if_not(raw.begin(), raw.end(), is_blank);
    auto end = std::find_if(start, raw.end(), is_blank);
    raw.replace(start, end, escape(spec));
    known->spec = spec;
}

void Fstab::comment_out(int line_no, std::string_view note) {
    auto known = std::find_if(lines_.begin(), lines_.end(),
                              [&](const auto& line) { return line.line_no == line_no; });
    if (known == lines_.end())
        return;
    auto& raw = raw_[static_cast<std::size_t>(line_no) - 1];
    raw = "# " + std::string(note) + ": " + raw;
    lines_.erase(known);
}

std::string Fstab::render() const {
    std::string text;
    for (const auto& line : raw_)
        text += line;
    return text;
}

bool is_bus_dependent(std::string_view spec) {
    constexpr std::string_view by_id = "/dev/disk/by-id/";
    if (spec.starts_with("/dev/disk/by-path/"))
        return true;
    if (spec.starts_with(by_id)) {
        // These name what is written on the disks: dm-uuid-LVM-…, md-uuid-…, lvm-pv-uuid-….
        auto link = spec.substr(by_id.size());
        return !link.starts_with("dm-") && !link.starts_with("md-") &&
               !link.starts_with("lvm-pv-uuid-");
    }
    return parse_device_name(spec).has_value();
}

std::optional<DiskPartition> parse_device_name(std::string_view path) {
    constexpr std::string_view dev = "/dev/";
    if (!path.starts_with(dev))
        return std::nullopt;
    auto name = path.substr(dev.size());
    for (std::string_view prefix : {"sd", "hd", "vd", "xvd"})
        if (name.starts_with(prefix))
            return parse_lettered(name.substr(prefix.size()));
    if (name.starts_with("nvme"))
        return parse_numbered(name.substr(4), "n");
    if (name.starts_with("mmcblk"))
        return parse_numbered(name.substr(6), "");
    if (name.starts_with("cciss/"))
        return parse_numbered(name.substr(6), "d");
    return std::nullopt;
}

} // namespace slipway::mount
