// SPDX-License-Identifier: Apache-2.0
// A worker as the first program of a machine whose kernel is under test.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/tested_kernel.hpp"
#include "session/place.hpp"

namespace slipway::session {

/// So many go into every kind of machine: User-mode Linux has 16 disks, and each takes one of 32
/// places of QEMU's bus. Root and modules come beside them.
constexpr std::size_t most_disks = 12;
constexpr std::size_t most_shares = 12;
/// From here on the descriptors of a root's image have their numbers in its process.
constexpr int first_image_number = 60;

/// A directory of this host, as an open descriptor.
struct TestbedShare {
    sys::BorrowedFd directory;
    std::string guest; ///< where the machine shows it; "" for root and modules
    bool writable = false;
};

/// A raw disk, as an open descriptor.
struct TestbedDisk {
    sys::BorrowedFd file;
    std::string serial;
    bool writable = true;
};

struct TestbedMachine {
    appliance::TestedKernel kernel;
    std::string accelerator = "tcg"; ///< of a QEMU
    unsigned memory_mib = 2048;
    unsigned cpus = 1;
    std::string append{};
    /// The root: a directory or an image, which is only read.
    std::optional<TestbedShare> root{};
    std::optional<image::BlockGraph> root_image{};
    bool overlay = true;
    /// Its modules: a directory, an image, or none.
    std::optional<TestbedShare> modules{};
    std::optional<image::BlockGraph> modules_image{};
    std::vector<TestbedShare> shares{};
    std::vector<TestbedDisk> disks{};
    bool keeps_user = false;              ///< see vm::TestbedSpec
    bool changes_files = false;           ///< see vm::TestbedSpec
    bool changes_owners = false;          ///< see vm::TestbedSpec
    std::chrono::milliseconds timeout{0}; ///< of the machine's life; 0: none
    std::function<void(std::string_view)> on_console{};
};

struct StartedTestbed {
    StartedWorker worker;
    FirstCall first; ///< of the session: it makes the root
};

/// Errors are those of vm::Sandbox::start. A machine that does not end by itself in its time is
/// ended: Timeout.
[[nodiscard]] Result<StartedTestbed>
start_testbed(const SupervisedRunner& runner, const sys::Host& host, const TestbedMachine& machine);

} // namespace slipway::session
