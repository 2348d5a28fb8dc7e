// SPDX-License-Identifier: Apache-2.0
#include "archive/entry.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::archive {

void keep_attributes(struct ::archive_entry* entry, bool xattrs, bool selinux) {
    constexpr std::string_view label = "security.selinux";
    std::vector<std::pair<std::string, std::string>> kept;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    ::archive_entry_xattr_reset(entry);
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
        if (name == label ? selinux : xattrs)
            kept.emplace_back(name, std::string(static_cast<const char*>(value), size));
    ::archive_entry_xattr_clear(entry);
    for (const auto& [each, content] : kept)
        ::archive_entry_xattr_add_entry(entry, each.c_str(), content.data(), content.size());
}

} // namespace slipway::archive
