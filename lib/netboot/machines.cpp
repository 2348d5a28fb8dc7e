// SPDX-License-Identifier: Apache-2.0
#include "netboot/machines.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot/remote.hpp"
#include "boot/remote_protocol.hpp"
#include "http/identity.hpp"
#include "http/signature.hpp"

namespace slipway::netboot {
namespace {

constexpr std::size_t most_challenges = 1000, most_machines = 500, most_lines = 2000;
constexpr std::size_t most_console = 256 << 10, longest_line = 16 << 10; // bytes
constexpr std::size_t largest_key = 1024;
constexpr std::chrono::hours longest_absence{1};

std::string bytes_of(std::string_view hex) {
    std::string bytes;
    if (hex.find_first_not_of("0123456789abcdef") != std::string_view::npos)
        return bytes;
    for (std::size_t at = 0; at + 2 <= hex.size(); at += 2)
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
    return bytes;
}

// Of an object that a machine sent: texts and numbers that are no longer than they need be.
Json object_of(const Json& json, std::string_view key) {
    auto found = json.find(key);
    return found != json.end() && found->is_object() ? *found : Json::object();
}

} // namespace

std::string Machines::challenge() {
    challenges_.push_back(http::make_token());
    if (challenges_.size() > most_challenges)
        challenges_.pop_front();
    return challenges_.back();
}

Result<Machine*> Machines::enter(const Json& request, const std::string& peer) {
    auto key = json_get<std::string>(request, "key");
    auto challenge = json_get<std::string>(request, "challenge");
    auto known = std::find(challenges_.begin(), challenges_.end(), challenge);
    if (known == challenges_.end())
        return fail(Code::Permission, "the challenge is none of the last ones");
    challenges_.erase(known);
    if (key.size() > largest_key)
        return fail(Code::InvalidArgument, "the key is too long");
    SLIPWAY_TRY(auto is_its_own,
                http::is_signed(boot::challenge_text(challenge),
                                bytes_of(json_get<std::string>(request, "signature")), key));
    if (!is_its_own)
        return fail(Code::Permission, "the challenge was not signed with that key");
    auto id = boot::fingerprint_of(key);
    if (!machines_.contains(id)) {
        expire();
        if (machines_.size() >= most_machines)
            return fail(Code::Busy, "too many machines report here");
        machines_[id] = std::make_unique<Machine>();
    }
    auto& machine = *machines_[id];
    machine.id = id;
    machine.session = http::make_token();
    machine.peer = peer;
    machine.about = object_of(request, "machine");
    machine.is_connected = false;
    machine.seen = Clock::now();
    machine.is_approved =
        machine.is_approved || options_.approve_all || options_.approved.contains(id);
    // The same machine, before it was started again.
    auto mac = json_get<std::string>(machine.about, "mac");
    std::erase_if(machines_, [&](const auto& each) {
        const auto& other = *each.second;
        return other.id != id && !other.is_connected && other.peer == peer &&
               json_get<std::string>(other.about, "mac") == mac;
    });
    return &machine;
}

Machine* Machines::with_session(std::string_view session) {
    for (auto& [id, machine] : machines_)
        if (!session.empty() && http::is_same_secret(machine->session, std::string(session))) {
            machine->seen = Clock::now();
            return machine.get();
        }
    return nullptr;
}

void Machines::approve(Machine& machine) {
    machine.is_approved = true;
    options_.approved.insert(machine.id);
    if (options_.on_approved)
        options_.on_approved(options_.approved);
}

void Machines::forget(std::string id) { // a copy: it may be of what goes
    machines_.erase(id);
    if (options_.approved.erase(id) != 0 && options_.on_approved)
        options_.on_approved(options_.approved);
}

Result<Machine*> Machines::find(const std::string& name) {
    std::vector<Machine*> found;
    for (auto& [id, machine] : machines_)
        if (!name.empty() && (id.starts_with(to_lower(name)) ||
                              json_get<std::string>(machine->about, "mac") == to_lower(name)))
            found.push_back(machine.get());
    if (found.empty())
        return fail(Code::NotFound, fmt::format("no machine {} has reported here", printable(name)),
                    "slipway netboot machines lists those that have");
    if (found.size() > 1)
        return fail(Code::InvalidArgument,
                    fmt::format("{} machines are called {}", found.size(), printable(name)),
                    "give more of its id, as slipway netboot machines shows it");
    return found.front();
}

std::vector<Machine*> Machines::list() {
    std::vector<Machine*> all;
    for (auto& [id, machine] : machines_)
        all.push_back(machine.get());
    std::sort(all.begin(), all.end(), [](const Machine* one, const Machine* other) {
        return one->is_connected != other->is_connected ? one->is_connected : one->id < other->id;
    });
    return all;
}

void Machines::take_lines(Machine& machine, const Json& lines) {
    if (!machine.is_approved || !lines.is_array())
        return;
    for (const auto& line : lines)
        if (line.is_string())
            machine.lines.push_back(line.get<std::string>().substr(0, longest_line));
    while (machine.lines.size() > most_lines)
        machine.lines.pop_front();
}

void Machines::take_console(Machine& machine, std::string_view bytes) {
    if (!machine.is_approved)
        return;
    machine.console += bytes;
    machine.console_end += bytes.size();
    if (machine.console.size() > most_console)
        machine.console.erase(0, machine.console.size() - most_console);
}

void Machines::expire() {
    auto now = Clock::now();
    std::erase_if(machines_, [&](const auto& each) {
        return !each.second->is_connected && now - each.second->seen > longest_absence;
    });
}

Json to_json(const Machine& machine) {
    constexpr std::int64_t coming = 10; // seconds: it may be between two connections
    auto away = static_cast<std::int64_t>(seconds_since(machine.seen));
    auto text = [&](const Json& of, std::string_view name) {
        return json_get<std::string>(of, name);
    };
    auto number = [&](std::string_view name) { return json_get<std::int64_t>(machine.now, name); };
    auto under_way = text(machine.now, "under_way");
    auto status = !machine.is_connected && away > coming
                      ? "gone for " + format_seconds(static_cast<double>(away))
                  : !machine.is_approved ? "waits to be approved"
                  : under_way.empty()    ? text(machine.now, "phase")
                                         : under_way;
    return {{"id", machine.id},
            {"approved", machine.is_approved},
            {"connected", machine.is_connected},
            {"seen_seconds_ago", away},
            {"status", status},
            {"address", machine.peer},
            {"addresses", machine.now.value("addresses", Json::array())},
            {"mac", text(machine.about, "mac")},
            {"product", text(machine.about, "product")},
            {"serial", text(machine.about, "serial")},
            {"kernel", text(machine.about, "kernel")},
            {"architecture", text(machine.about, "architecture")},
            {"phase", text(machine.now, "phase")},
            {"under_way", under_way},
            {"image_url", text(machine.now, "image_url")},
            {"image_digest", text(machine.now, "image_digest")},
            {"memory", object_of(machine.now, "memory")},
            {"uptime", number("uptime")},
            {"entries", number("entries")},
            {"returns", number("returns")},
            {"last_leaks", text(machine.now, "last_leaks")}};
}

} // namespace slipway::netboot
