// SPDX-License-Identifier: Apache-2.0
#include "guest/package_texts.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "base/strings.hpp"

namespace slipway::guest {
namespace {

using report::Package;

constexpr std::size_t longest_description = 16 << 10;

/// The text up to the first line end, which it is cut off by. The lines of a database are many and
/// are looked at once, so they are not collected.
std::string_view take_line(std::string_view& text) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    return line;
}

/// [EPOCH:]VERSION[-RELEASE], see deb-version(7) and vercmp(8): the last hyphen counts.
void take_version(std::string_view text, Package& package) {
    if (auto colon = text.find(':'); colon != std::string_view::npos) {
        auto epoch = parse_number(text.substr(0, colon));
        if (epoch && *epoch <= std::numeric_limits<std::uint32_t>::max()) {
            package.epoch = static_cast<std::uint32_t>(*epoch);
            text.remove_prefix(colon + 1);
        }
    }
    auto hyphen = text.rfind('-');
    package.version = package_field(text.substr(0, hyphen));
    if (hyphen != std::string_view::npos)
        package.release = package_field(text.substr(hyphen + 1));
}

// The files of a package in another state are not there, or not all of them.
bool has_files(std::string_view status) {
    constexpr std::array states{"installed", "unpacked", "half-configured", "triggers-awaited",
                                "triggers-pending"};
    auto words = split_words(status);
    return !words.empty() && std::find(states.begin(), states.end(), words.back()) != states.end();
}

/// Paragraphs apart by empty lines; `take` gets each line, `end` says what came out of them.
template <class Take, class End>
void for_each_paragraph(std::string_view text, const Take& take, const End& end) {
    while (!text.empty()) {
        auto line = take_line(text);
        if (line.empty())
            end();
        else
            take(line);
    }
    end();
}

struct Field {
    std::string_view key;
    std::string Package::*member;
};
constexpr std::array dpkg_fields{
    Field{"Package", &Package::name},
    Field{"Architecture", &Package::arch},
    Field{"Homepage", &Package::url},
    Field{"Description", &Package::summary},
};
constexpr std::array pacman_fields{
    Field{"%NAME%", &Package::name},   Field{"%ARCH%", &Package::arch},
    Field{"%URL%", &Package::url},     Field{"%DESC%", &Package::summary},
    Field{"%BASE%", &Package::source},
};
constexpr std::array apk_fields{
    Field{"P", &Package::name},   Field{"A", &Package::arch},    Field{"U", &Package::url},
    Field{"o", &Package::source}, Field{"T", &Package::summary},
};

void take_field(std::span<const Field> fields, std::string_view key, std::string_view value,
                Package& package) {
    for (const auto& field : fields)
        if (field.key == key)
            package.*field.member = package_field(value);
}

void add_line(std::string_view line, std::string& text) {
    if (text.size() + line.size() > longest_description)
        return;
    if (!text.empty())
        text += '\n';
    text += printable(line);
}

} // namespace

std::string package_lines(std::string_view text) {
    std::string lines;
    for (auto line : split_lines(text))
        add_line(line, lines);
    return lines;
}

std::string package_field(std::string_view text) {
    constexpr std::size_t longest = 256;
    return printable(trim(text).substr(0, longest));
}

std::vector<Package> parse_dpkg_status(std::string_view text) {
    std::vector<Package> packages;
    Package package;
    bool there = true;
    bool in_description = false;
    auto take = [&](std::string_view line) {
        auto colon = line.find(':');
        if (line.front() == ' ' || line.front() == '\t') {
            if (in_description)
                add_line(line.substr(1), package.description);
            return;
        }
        auto key = line.substr(0, colon);
        in_description = key == "Description";
        if (colon == std::string_view::npos)
            return;
        auto value = trim(line.substr(colon + 1));
        if (key == "Version")
            take_version(value, package);
        else if (key == "Status")
            there = has_files(value);
        else
            take_field(dpkg_fields, key, value, package);
        // "efivar (37-6)" where its version is another.
        if (key == "Source")
            package.source = package_field(value.substr(0, value.find(' ')));
    };
    auto end = [&] {
        if (there && !package.name.empty() && packages.size() < max_packages)
            packages.push_back(std::move(package));
        package = {};
        there = true;
    };
    for_each_paragraph(text, take, end);
    return packages;
}

std::optional<Package> parse_pacman_desc(std::string_view text) {
    Package package;
    while (!text.empty()) {
        auto key = take_line(text);
        auto value = take_line(text);
        take_field(pacman_fields, key, value, package);
        if (key == "%VERSION%")
            take_version(value, package);
        // A value may have more lines, and a description any words; it ends with an empty line.
        while (!text.empty() && !value.empty())
            value = take_line(text);
    }
    if (package.name.empty())
        return std::nullopt;
    return package;
}

std::vector<Package> parse_apk_installed(std::string_view text) {
    std::vector<Package> packages;
    Package package;
    auto take = [&](std::string_view line) {
        if (line.size() < 2 || line[1] != ':')
            return;
        take_field(apk_fields, line.substr(0, 1), line.substr(2), package);
        if (line.front() == 'V')
            take_version(line.substr(2), package);
    };
    auto end = [&] {
        if (!package.name.empty() && packages.size() < max_packages)
            packages.push_back(std::move(package));
        package = {};
    };
    for_each_paragraph(text, take, end);
    return packages;
}

} // namespace slipway::guest
