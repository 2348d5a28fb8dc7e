// SPDX-License-Identifier: Apache-2.0
#include "netboot/firmware.hpp"

#include <algorithm>
#include <array>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/compression.hpp"
#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::netboot {
namespace {

constexpr std::size_t largest_file = 64 << 20;
constexpr std::array endings{"", ".xz", ".zst"}; // as distributions pack them

} // namespace

// Its section .modinfo is a list of strings, each with a zero at its end.
std::vector<std::string> firmware_of(std::string_view module) {
    constexpr std::string_view key{"\0firmware=", 10};
    std::vector<std::string> names;
    for (auto at = module.find(key); at != std::string_view::npos; at = module.find(key, at)) {
        at += key.size();
        std::string name(module.substr(at, module.find('\0', at) - at));
        bool is_inside = !name.empty() && name[0] != '/' && name.find("..") == std::string::npos &&
                         name == printable(name);
        if (is_inside && std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(std::move(name));
        --at; // the next may begin with this one's zero
    }
    return names;
}

Result<Firmware> add_firmware(const std::string& directory, const std::vector<FirmwareWish>& wishes,
                              archive::CpioTree& tree) {
    Firmware added;
    std::set<std::string> done;
    for (const auto& wish : wishes)
        for (const auto& name : wish.files) {
            if (done.contains(name))
                continue;
            std::string path;
            for (const auto* ending : endings)
                if (auto each = fmt::format("{}/{}{}", directory, name, ending);
                    path.empty() && ::access(each.c_str(), R_OK) == 0)
                    path = each;
            if (path.empty()) {
                added.lacking.insert(wish.module);
                continue;
            }
            SLIPWAY_TRY(auto packed, sys::read_file(path, largest_file));
            auto content = Result<std::string>(packed);
            if (path.size() > directory.size() + 1 + name.size())
                content = archive::unpack(packed, largest_file);
            if (!content)
                return fail(std::move(content.error()));
            ++added.files;
            added.bytes += content->size();
            done.insert(name);
            tree.add("/lib/firmware/" + name, S_IFREG | 0644, std::move(*content));
        }
    return added;
}

} // namespace slipway::netboot
