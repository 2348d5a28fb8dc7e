// SPDX-License-Identifier: Apache-2.0
// A guest's root made of a few files in a temporary directory, gone with the object.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sys/root_dir.hpp"

namespace slipway::testing_support {

class GuestTree {
public:
    GuestTree() {
        std::string name =
            (std::filesystem::temp_directory_path() / "slipway-guest-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary directory");
        top_ = name;
        std::filesystem::create_directory(top_ / "root");
    }
    GuestTree(const GuestTree&) = delete;
    GuestTree& operator=(const GuestTree&) = delete;
    ~GuestTree() {
        std::error_code ignored;
        std::filesystem::remove_all(top_, ignored);
    }

    /// A place of the host beside the guest's root.
    [[nodiscard]] std::filesystem::path outside() const { return top_; }
    [[nodiscard]] std::filesystem::path host_path(std::string_view guest_path) const {
        return top_ / "root" / std::filesystem::path(guest_path).relative_path();
    }
    GuestTree& file(std::string_view path, std::string_view content = "") {
        std::filesystem::create_directories(host_path(path).parent_path());
        std::ofstream(host_path(path), std::ios::binary) << content;
        return *this;
    }
    GuestTree& dir(std::string_view path) {
        std::filesystem::create_directories(host_path(path));
        return *this;
    }
    GuestTree& link(std::string_view path, std::string_view target) {
        std::filesystem::create_directories(host_path(path).parent_path());
        std::filesystem::create_symlink(target, host_path(path));
        return *this;
    }
    [[nodiscard]] sys::RootDir root() const {
        return std::move(sys::RootDir::open((top_ / "root").string()).value());
    }

private:
    std::filesystem::path top_;
};

} // namespace slipway::testing_support
