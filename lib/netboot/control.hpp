// SPDX-License-Identifier: Apache-2.0
// Remote control, the server's side: what machines and operators ask of it by HTTPS.
//
// An operator bears a token, and may ask for
//   GET /api/machines, /api/machines/ID          as JSON
//   POST /api/machines/ID/approve; DELETE /api/machines/ID
//   POST /api/machines/ID/command {"line"}       lines of JSON as they come: {"line"}, and at the
//                                                end {"done"} or {"error"}
//   POST /api/machines/ID/keys                   the body is typed at the machine's console
//   GET /api/machines/ID/console, /log, /screen  the first goes on until somebody ends it, unless
//                                                its query is once=1
// ID is an id, its beginning, or a MAC address. The page at / does all of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/server.hpp"
#include "netboot/machines.hpp"

namespace slipway::netboot {

/// Of one server, which it outlives. Everything happens in the server's thread.
class Control {
public:
    struct Options {
        Machines::Options machines{};
        std::string token; ///< of operators
        std::function<void(const std::string&)> on_event = [](const std::string&) {};
    };
    explicit Control(Options options)
        : options_(std::move(options)), machines_(options_.machines) {}
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control() = default;

    void serve_at(http::Server& server);

private:
    using Number = std::uint64_t;
    struct Waiting { ///< an operator, for what a machine has come to
        std::string machine;
        http::Answer answer;
        bool is_stream = false; ///< of lines, for a command
    };
    struct Watcher { ///< an operator, of a console
        std::string machine;
        http::Answer answer;
    };

    void answer_machine(const http::Asked& asked, const http::Answer& answer);
    void enter(const http::Asked& asked, const http::Answer& answer);
    void take_report(Machine& machine, const std::string& body);
    void take_screen(Machine& machine, const http::Asked& asked);
    void settle(Machine& machine, const Json& outcome);

    void answer_operator(const http::Asked& asked, const http::Answer& answer);
    void act(Machine& machine, const std::string& what, const http::Asked& asked,
             const http::Answer& answer);
    Status order(Machine& machine, Json order);
    void wait_for(Machine& machine, Json order, const http::Answer& answer, bool is_stream);
    void disconnect(Machine& machine);
    void beat();

    Options options_;
    Machines machines_;
    Number last_order_ = 0;
    std::map<std::string, http::Answer> listening_; ///< by the machine's id
    std::map<Number, Waiting> waiting_;
    std::vector<Watcher> watchers_;
};

/// The page for operators, and its parts, by path. Nothing of it comes from elsewhere.
struct PageFile {
    std::string_view path, type, body;
};
[[nodiscard]] const std::vector<PageFile>& page_files();

} // namespace slipway::netboot
