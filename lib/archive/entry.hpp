// SPDX-License-Identifier: Apache-2.0
// Owners of libarchive's objects, and attributes of an entry. Private to the module.
#pragma once

#include <archive.h>
#include <archive_entry.h>

namespace slipway::archive {

struct FreeArchive {
    void operator()(struct ::archive* handle) const { ::archive_free(handle); }
};
struct FreeEntry {
    void operator()(struct ::archive_entry* entry) const { ::archive_entry_free(entry); }
};

/// Which extended attributes are wanted. The label of SELinux is one of them for libarchive, and
/// none for users.
struct WantedAttributes {
    bool xattrs = true;
    bool selinux = true;
    bool privileged = true; ///< see PackOptions
};
/// Drops the others.
void keep_attributes(struct ::archive_entry* entry, const WantedAttributes& wanted);

} // namespace slipway::archive
