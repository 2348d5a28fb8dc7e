// SPDX-License-Identifier: Apache-2.0
// One LUKS or BitLocker volume on request: made, opened under a name, its keys changed. By
// libcryptsetup in this process, so that no secret passes a command line. Needs root.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "base/error.hpp"
#include "storage/secret.hpp"

namespace slipway::storage {

struct LuksFormat {
    std::string node;
    int slot = -1;        ///< of its first key; -1: any
    std::string cipher{}; ///< "aes-cbc-plain"; "": the library's choice
};
/// Makes a volume of LUKS 2 in place of whatever is there.
[[nodiscard]] Status format_luks(const LuksFormat& format, const Secret& key);

struct CryptOpen {
    std::string node;
    std::string mapping; ///< name in the kernel
    std::string type{};  ///< "luks", "luks1", "luks2", "bitlk"; "": what is found
    bool read_only = false;
};
/// Number of the device, "/dev/mapper/NAME". KeyRequired: the key does not fit. Exists: the kernel
/// has one of this name.
[[nodiscard]] Result<dev_t> open_crypt(const CryptOpen& wanted, const Secret& key);
/// NotFound, Busy.
[[nodiscard]] Status close_crypt(const std::string& mapping);

/// A further key in a slot, or in any (-1).
[[nodiscard]] Status add_luks_key(const std::string& node, const Secret& key, const Secret& added,
                                  int slot);
/// KeyRequired unless `key` opens another slot than this one.
[[nodiscard]] Status remove_luks_key(const std::string& node, const Secret& key, int slot);
[[nodiscard]] Result<std::string> luks_uuid(const std::string& node);

} // namespace slipway::storage
