// SPDX-License-Identifier: Apache-2.0
// What a handle holds. Private to the module.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "guestfs/drives.hpp"
#include "guestfs/handle.hpp"
#include "guestfs/local_mount.hpp"
#include "session/supervisor.hpp"

namespace slipway::guestfs {

class HandleState {
public:
    explicit HandleState(HandleOptions options);
    ~HandleState();

    [[nodiscard]] Result<Json> call(std::string_view name, const Json& arguments);
    [[nodiscard]] Status close();

    /// Of the settings that are kept for clients who ask, by the name of the call without "get_".
    using Settings = std::map<std::string, Json, std::less<>>;

    std::recursive_mutex mutex; ///< recursive: callbacks may ask the handle
    Events events;
    HandleOptions options;
    bool closed = false;
    Settings settings;
    std::vector<Drive> drives;
    /// What disk_create made on backing files, and the name of each one's backing file.
    std::map<std::filesystem::path, std::string> made_on_backing;
    bool lost_changes = false; ///< with a worker that had to be killed
    std::unique_ptr<session::SupervisedRunner> runner;
    std::unique_ptr<OpenDrives> opened; ///< while it is launched
    std::shared_ptr<LocalMount> local_mount;

    [[nodiscard]] ops::Context context() const;
    [[nodiscard]] Status launch();
    /// Brings the changes into the drives; then the handle may be configured again.
    [[nodiscard]] Status shutdown();
    [[nodiscard]] Result<Json> call_worker(const Signature& signature, const Json& arguments);

private:
    [[nodiscard]] Result<Json> call_without_lock(std::string_view name);
    /// Before the session ends, without the lock.
    [[nodiscard]] Status end_local_mount();
    [[nodiscard]] Result<Json> carry_out(const Signature& signature, const Json& arguments);
    void trace(const std::string& line) const;
    [[nodiscard]] Result<Json> dispatch(const Signature& signature, const Json& arguments);
    void drop();

    std::mutex cancel_mutex_;
    Cancel under_way_{}; ///< of the call that the worker carries out, or of the last one
    bool in_worker_ = false;
};

/// A call that the client carries out; null where there is none.
using ClientCall = Result<Json> (*)(HandleState&, const Json& arguments);
[[nodiscard]] ClientCall find_client_call(std::string_view name);
[[nodiscard]] std::vector<std::string_view> client_call_names();
/// Whether a drive names no other file but the backing file that disk_create gave it, which names
/// none in turn. What others made on a backing file needs SLIPWAY_ALLOW_BACKING.
[[nodiscard]] bool is_as_made(const HandleState& state, const std::string& drive);
/// The settings of a new handle.
[[nodiscard]] HandleState::Settings default_settings(bool environment);

} // namespace slipway::guestfs
