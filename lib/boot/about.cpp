// SPDX-License-Identifier: Apache-2.0
#include "boot/about.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot/machine.hpp"
#include "network/links.hpp"
#include "sys/fd.hpp"
#include "sys/machine_memory.hpp"

namespace slipway::boot {
namespace {

std::string firmware_says(const char* what) {
    return std::string(
        trim(sys::read_file(fmt::format("/sys/class/dmi/id/{}", what)).value_or("")));
}

} // namespace

Json about_machine() {
    utsname kernel{};
    ::uname(&kernel);
    auto links = network::ethernet_links().value_or(std::vector<network::Link>{});
    return {{"mac", links.empty() ? "" : network::to_text(links.front().mac)},
            {"product",
             std::string(trim(firmware_says("sys_vendor") + " " + firmware_says("product_name")))},
            {"serial", firmware_says("product_serial")},
            {"kernel", kernel.release},
            {"architecture", kernel.machine}};
}

Json about_now(const State& state, const std::string& under_way) {
    auto memory = sys::machine_memory();
    auto now = parse_json(render_state(state), "the state").value_or(Json::object());
    now["memory"] = {{"total", memory.total}, {"available", memory.available}};
    now["uptime"] = machine_uptime();
    now["under_way"] = under_way;
    auto addresses = Json::array();
    for (const auto& link : network::ethernet_links().value_or(std::vector<network::Link>{}))
        for (const auto& address : network::addresses_of(link.name))
            addresses.push_back(address);
    now["addresses"] = addresses;
    return now;
}

std::string about_now_text(const State& state, const std::string& under_way) {
    auto memory = sys::machine_memory();
    auto text = render_status(state, machine_uptime());
    text +=
        fmt::format("memory     {} MiB, {} MiB free\n", memory.total >> 20, memory.available >> 20);
    for (const auto& link : network::ethernet_links().value_or(std::vector<network::Link>{}))
        text += fmt::format("{:10} {}{}\n", link.name, link.has_carrier ? "" : "no carrier ",
                            join(network::addresses_of(link.name), ", "));
    return text + fmt::format("under way  {}\n", under_way.empty() ? "nothing" : under_way);
}

} // namespace slipway::boot
