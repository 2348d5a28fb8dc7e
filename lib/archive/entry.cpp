// SPDX-License-Identifier: Apache-2.0
#include "archive/entry.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::archive {

namespace {

bool is_wanted(std::string_view name, const WantedAttributes& wanted) {
    bool is_label = name == "security.selinux";
    bool is_privileged = name.starts_with("trusted.") ||
                         (name.starts_with("security.") && name != "security.capability");
    return (is_label ? wanted.selinux : wanted.xattrs) && (!is_privileged || wanted.privileged);
}

} // namespace

void keep_attributes(struct ::archive_entry* entry, const WantedAttributes& wanted) {
    std::vector<std::pair<std::string, std::string>> kept;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    ::archive_entry_xattr_reset(entry);
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
        if (is_wanted(name, wanted))
            kept.emplace_back(name, std::string(static_cast<const char*>(value), size));
    ::archive_entry_xattr_clear(entry);
    for (const auto& [each, content] : kept)
        ::archive_entry_xattr_add_entry(entry, each.c_str(), content.data(), content.size());
}

} // namespace slipway::archive
