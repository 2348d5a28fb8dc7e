// SPDX-License-Identifier: Apache-2.0
#include "repair/initramfs_files.hpp"

#include "guest/boot_files.hpp"
#include "repair/verify_boot.hpp"

namespace slipway::repair {

EditedText stabilize_initramfs_file(const report::Inventory& inventory, std::string_view path,
                                    const std::string& name, const std::string& text) {
    switch (guest::device_table_at(path)) {
    case guest::DeviceTable::Crypttab:
        return stabilize_crypttab(inventory, name, text);
    case guest::DeviceTable::MdadmConfig:
        return stabilize_mdadm_config(name, text);
    case guest::DeviceTable::None:
        break;
    }
    return stabilize_arguments(inventory, guest::kind_of_initramfs_file(path), name, text);
}

report::Findings check_initramfs_file(const report::Inventory& inventory, std::string_view path,
                                      std::string_view name, std::string_view text) {
    switch (guest::device_table_at(path)) {
    case guest::DeviceTable::Crypttab:
        return check_crypttab(name, text);
    case guest::DeviceTable::MdadmConfig:
        return check_mdadm_config(name, text);
    case guest::DeviceTable::None:
        break;
    }
    return check_arguments(guest::kind_of_initramfs_file(path), name, text, inventory);
}

} // namespace slipway::repair
