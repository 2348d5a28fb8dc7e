// SPDX-License-Identifier: Apache-2.0
// Remote control of machines that were booted over the network: what a server and its operators
// share, and what an operator asks of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "http/server.hpp"
#include "netboot/control.hpp"
#include "ops/open_image.hpp"

namespace slipway::ops {

/// The files of a server, in a directory that only its user may enter: its certificate, the key of
/// it, the operators' token, the machines that were approved, and where it listens.
class ControlPlace {
public:
    /// "": $XDG_DATA_HOME/slipway/netboot, else ~/.local/share/slipway/netboot.
    [[nodiscard]] static Result<ControlPlace> at(const std::string& directory);
    /// Makes what is missing.
    [[nodiscard]] Status prepare() const;

    [[nodiscard]] std::string certificate() const { return path("server.pem"); }
    [[nodiscard]] std::string key() const { return path("server.key"); }
    [[nodiscard]] Result<std::string> token() const;
    [[nodiscard]] Json read(const std::string& name) const;
    [[nodiscard]] Status write(const std::string& name, std::string_view content) const;
    [[nodiscard]] const std::string& directory() const { return directory_; }

private:
    explicit ControlPlace(std::string directory) : directory_(std::move(directory)) {}
    [[nodiscard]] std::string path(std::string_view name) const;
    std::string directory_;
};

struct ServeControlRequest {
    std::string state{};   ///< see ControlPlace::at
    std::string address{}; ///< to listen at
    std::uint16_t port = 0;
    bool approve_all = false;                           ///< no operator needs to approve a machine
    std::function<void(const std::string&)> on_event{}; ///< one line for each
};
/// Machines and operators are served for as long as it lives, while the other server runs.
class ControlServer {
public:
    /// The errors of http::Server::open.
    [[nodiscard]] static Result<std::unique_ptr<ControlServer>>
    open(const ServeControlRequest& request, const http::Server& beside);
    /// The operators' page; asks for the token, see ControlPlace::token.
    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] const ControlPlace& place() const { return place_; }

private:
    ControlServer(ControlPlace place, http::Server server)
        : place_(std::move(place)), server_(std::move(server)) {}
    ControlPlace place_;
    std::string url_;
    http::Server server_;
    std::unique_ptr<netboot::Control> control_; ///< ends first
};

/// An operator, of the server whose files are in `state`, or of another one at `server` that has
/// the same files.
struct NetbootOperator {
    std::string state{};  ///< see ControlPlace::at
    std::string server{}; ///< "https://10.0.0.1:8443"; "": where the server of this host listens
};
/// All machines, or one by its id, its beginning, or its MAC address. As docs/netboot.md has it.
/// NotFound: no server runs here, or no such machine.
[[nodiscard]] Result<Json> netboot_machines(const Context& context, const NetbootOperator& as,
                                            const std::string& machine = {});
[[nodiscard]] Status approve_netboot_machine(const Context& context, const NetbootOperator& as,
                                             const std::string& machine);
[[nodiscard]] Status forget_netboot_machine(const Context& context, const NetbootOperator& as,
                                            const std::string& machine);
/// What is typed at the machine's prompt; `on_line` gets what it says meanwhile. Returns what it
/// has come to. The machine's error, when it has come to one.
[[nodiscard]] Result<std::string>
command_netboot_machine(const Context& context, const NetbootOperator& as,
                        const std::string& machine, const std::string& line,
                        const std::function<void(const std::string&)>& on_line);
[[nodiscard]] Result<std::string> netboot_log(const Context& context, const NetbootOperator& as,
                                              const std::string& machine);
/// What is on its console, from 256 KiB ago; goes on until `cancel`, or with `once` not.
[[nodiscard]] Status watch_netboot_console(const NetbootOperator& as, const std::string& machine,
                                           const std::function<Status(std::string_view)>& sink,
                                           bool once, const Cancel& cancel);
/// Typed there.
[[nodiscard]] Status type_at_netboot_console(const NetbootOperator& as, const std::string& machine,
                                             std::string_view keys, const Cancel& cancel);

} // namespace slipway::ops
