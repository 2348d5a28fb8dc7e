// SPDX-License-Identifier: Apache-2.0
// The machines that report to a server, by their keys.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/units.hpp"

namespace slipway::netboot {

struct Machine {
    std::string id;                                    ///< its key's fingerprint
    std::string session;                               ///< what it bears; "": it has to enter again
    std::string peer;                                  ///< the address that it came from
    Json about = Json::object(), now = Json::object(); ///< what it says of itself
    bool is_approved = false;
    bool is_connected = false; ///< it listens for orders
    Clock::time_point seen{};
    std::deque<std::string> lines{}; ///< of its log
    std::string console{};           ///< the end of what was written there
    std::uint64_t console_end = 0;   ///< bytes that were written in all
};

/// Who they are and what they have said. What they say is theirs: it may be anything. Not approved,
/// they are told nothing, and only who they are is kept.
class Machines {
public:
    struct Options {
        std::set<std::string> approved{}; ///< ids
        bool approve_all = false;
        std::function<void(const std::set<std::string>&)> on_approved{}; ///< the set is another
    };
    explicit Machines(Options options) : options_(std::move(options)) {}

    /// To be signed by a machine that says who it is.
    [[nodiscard]] std::string challenge();
    /// Permission: the challenge is none of the last ones, or the signature is not the key's.
    /// InvalidArgument: the key.
    [[nodiscard]] Result<Machine*> enter(const Json& request, const std::string& peer);
    /// Nobody's: null.
    [[nodiscard]] Machine* with_session(std::string_view session);

    void approve(Machine& machine);
    void forget(std::string id);
    /// By an id, its beginning, or a MAC address. NotFound; InvalidArgument: there are several.
    [[nodiscard]] Result<Machine*> find(const std::string& name);
    /// The latest first.
    [[nodiscard]] std::vector<Machine*> list();

    void take_lines(Machine& machine, const Json& lines);
    void take_console(Machine& machine, std::string_view bytes);
    /// Those that nobody has heard of for long are gone.
    void expire();

private:
    Options options_;
    std::deque<std::string> challenges_;
    std::map<std::string, std::unique_ptr<Machine>> machines_; ///< by id
};

/// For operators.
[[nodiscard]] Json to_json(const Machine& machine);

} // namespace slipway::netboot
