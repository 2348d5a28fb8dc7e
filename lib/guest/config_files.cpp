// SPDX-License-Identifier: Apache-2.0
#include "guest/config_files.hpp"

#include <algorithm>
#include <array>

#include "guest/boot_files.hpp"
#include "guest/stale_files.hpp"

namespace slipway::guest {
namespace {

constexpr std::size_t max_per_directory = 256;
constexpr std::size_t max_total = 16 << 20;

// Besides what holds kernel arguments (boot_files.hpp) and what a move makes stale.
constexpr std::array further_files{
    "/etc/fstab",
    "/etc/crypttab",
    "/etc/mdadm.conf",
    "/etc/mdadm/mdadm.conf",
    "/etc/machine-id",
    "/etc/sysconfig/bootloader",
    "/etc/sysconfig/kernel",
    "/etc/initramfs-tools/modules",
    "/etc/mkinitcpio.conf",
    "/etc/mkinitfs/mkinitfs.conf",
};

struct Directory {
    std::string_view path;
    std::string_view ending; ///< of the names that count
};
constexpr std::array further_directories{
    Directory{"/usr/lib/dracut/dracut.conf.d", ".conf"},
    Directory{"/etc/mkinitcpio.conf.d", ".conf"},
    Directory{"/etc/mkinitcpio.d", ".preset"},
};

/// Reads one file after the other until the limit for all is reached.
class Collector {
public:
    explicit Collector(const GuestFiles& files) : files_(files) {}

    void add(const std::string& path, std::size_t limit) {
        if (found_.contains(path) || total_ > max_total)
            return;
        auto text = files_.read(path, limit);
        if (!text)
            return;
        total_ += text->size();
        if (total_ > max_total)
            files_.find(
                {.id = "config-files-too-large",
                 .severity = report::Severity::Warning,
                 .where = path,
                 .text = "the guest's configuration files are too large; not all were read"});
        else
            found_[path] = std::move(*text);
    }
    void add_directory(const Directory& directory) {
        std::size_t count = 0;
        for (const auto& name : files_.list(std::string(directory.path)))
            if (name.ends_with(directory.ending) && count++ < max_per_directory)
                add(std::string(directory.path) + "/" + name, GuestFiles::max_file);
    }
    [[nodiscard]] std::map<std::string, std::string> take() { return std::move(found_); }

private:
    const GuestFiles& files_;
    std::map<std::string, std::string> found_;
    std::size_t total_ = 0;
};

} // namespace

std::map<std::string, std::string> read_config_files(const GuestFiles& files,
                                                     const report::BootLoader& loader) {
    Collector collector(files);
    for (const auto* path : further_files)
        collector.add(path, GuestFiles::max_file);
    for (const auto& place : boot_file_places)
        collector.add(std::string(place.path), GuestFiles::max_file);
    for (const auto& stale : stale_files)
        collector.add(std::string(stale.path), GuestFiles::max_file);
    for (const auto& directory : further_directories)
        collector.add_directory(directory);
    for (const auto& directory : boot_file_directories)
        collector.add_directory({directory.path, directory.ending});
    for (const auto& path : loader.config_files)
        collector.add(path, GuestFiles::max_boot_file);
    return collector.take();
}

} // namespace slipway::guest
