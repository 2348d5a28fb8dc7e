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

/// Drops the extended attributes that are not wanted. The label of SELinux is one of them for
/// libarchive, and none for users.
void keep_attributes(struct ::archive_entry* entry, bool xattrs, bool selinux);

} // namespace slipway::archive
