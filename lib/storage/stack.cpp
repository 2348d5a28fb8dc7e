// SPDX-License-Identifier: Apache-2.0
#include "storage/stack.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "storage/opening.hpp"
#include "sys/fd.hpp"

namespace slipway::storage {
namespace {

// Nothing opens these: by libblkid's name, and what people call them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> strangers{{
    {"LVM1_member", "LVM1"},
    {"isw_raid_member", "Intel firmware RAID"},
    {"ddf_raid_member", "DDF firmware RAID"},
    {"bcache", "bcache"},
    {"VMFS_volume_member", "VMFS"},
}};

void refuse_strangers(Opening& opening) {
    for (const auto& [type, name] : strangers)
        for (auto index : opening.waiting(type))
            opening.refuse(index, {.code = Code::Unsupported,
                                   .what = fmt::format("{} is {}, which Slipway does not open",
                                                       opening.devices[index].volume.name, name)});
}

// What is whole comes first: a member that seems to be missing may stand in another container.
Result<bool> open_more(Opening& opening) {
    SLIPWAY_CHECK(opening.host().cancel.check());
    SLIPWAY_TRY(bool found, open_encrypted(opening));
    for (auto completeness : {Completeness::Whole, Completeness::Any}) {
        if (!found) {
            SLIPWAY_TRY(found, open_arrays(opening, completeness));
        }
        if (!found) {
            SLIPWAY_TRY(found, open_groups(opening, completeness));
        }
    }
    if (!found) {
        SLIPWAY_TRY(found, open_pools(opening));
    }
    return found;
}

Status flush(const std::vector<std::string>& nodes) {
    Status first;
    for (const auto& node : nodes) {
        auto fd = sys::open_file(node, O_RDONLY);
        if (fd && ::fsync(fd->raw()) != 0 && first)
            first = fail_errno(fmt::format("flushing {}", node));
    }
    return first;
}

} // namespace

struct Stack::State {
    State(const sys::Host& host, const Options& options) : opening(host, options) {}
    Opening opening;
    Devices volumes;

    Status close_all() {
        Status first;
        auto note = [&first](Status status) {
            if (first && !status)
                first = std::move(status);
        };
        // What stays open is kept, to be closed once its user has gone.
        std::vector<Layer> left;
        auto& layers = opening.layers;
        for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
            note(flush(layer->nodes));
            if (auto closed = layer->close(); !closed) {
                note(fail(std::move(closed).error().in(fmt::format("closing {}", layer->name))));
                left.insert(left.begin(), std::move(*layer));
            }
        }
        layers = std::move(left);
        return first;
    }
};

Stack::Stack(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stack::Stack(Stack&&) noexcept = default;
Stack& Stack::operator=(Stack&& other) noexcept {
    if (this != &other) {
        Stack old(std::move(*this));
        state_ = std::move(other.state_);
    }
    return *this;
}
Stack::~Stack() {
    if (state_)
        (void)state_->close_all();
}

Result<Stack> Stack::open(const sys::Host& host, Devices devices, const Options& options) {
    auto state = std::make_unique<State>(host, options);
    std::erase_if(devices, [](const auto& device) { return device.node.empty(); });
    for (auto& device : devices) {
        SLIPWAY_TRY(auto node, state_of_node(device.node));
        device.number = node.number;
        device.read_only = node.read_only;
    }
    auto& opening = state->opening;
    opening.given = devices.size();
    opening.devices = std::move(devices);
    // From here on the destructor closes what is open when something fails.
    Stack stack(std::move(state));
    // A container inside a container, without end, is a bomb: each round adds at least one device.
    constexpr std::size_t most_devices = 4096;
    for (bool found = true; found && opening.devices.size() < most_devices;) {
        SLIPWAY_TRY(found, open_more(opening));
    }
    refuse_strangers(opening);
    auto first_new = opening.devices.begin() + static_cast<std::ptrdiff_t>(opening.given);
    stack.state_->volumes.assign(first_new, opening.devices.end());
    return stack;
}

const Devices& Stack::volumes() const {
    return state_->volumes;
}
const std::vector<Unopened>& Stack::unopened() const {
    return state_->opening.unopened;
}
const report::Findings& Stack::findings() const {
    return state_->opening.findings;
}

std::vector<Unopened> Stack::locked() const {
    std::vector<Unopened> some;
    std::copy_if(unopened().begin(), unopened().end(), std::back_inserter(some),
                 [](const auto& each) { return each.error.code == Code::KeyRequired; });
    return some;
}

Json Stack::to_json() const {
    auto list = Json::array();
    for (const auto& device : volumes())
        list.push_back({{"volume", device.volume.name},
                        {"kind", device.kind},
                        {"on", device.stands_on},
                        {"read_only", device.read_only}});
    return list;
}

Status Stack::close() {
    return state_ ? state_->close_all() : Status{};
}

} // namespace slipway::storage
