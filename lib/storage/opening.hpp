// SPDX-License-Identifier: Apache-2.0
// What the parts of a Stack share while it is being opened. Private to the module.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/finding.hpp"
#include "storage/device_mapper.hpp"
#include "storage/stack.hpp"

namespace slipway::storage {

/// Something that was opened, and how to close it again.
struct Layer {
    std::string name; ///< of the volume or group
    std::vector<std::string> nodes{};
    std::function<Status()> close;
};

/// What has been found and opened so far.
struct Harvest {
    Devices devices; ///< those given, then the new ones
    std::size_t given = 0;
    std::vector<Layer> layers;
    std::vector<Unopened> unopened;
    report::Findings findings;
    std::set<std::string> names_in_use; ///< of VGs and arrays that were opened
};

class Opening : public Harvest {
public:
    Opening(sys::Host host, const Options& options)
        : host_(std::move(host)), scratch_(options.scratch), options_(&options) {}

    [[nodiscard]] const sys::Host& host() const { return host_; }
    /// Only while `Stack::open` runs.
    [[nodiscard]] const Options& options() const { return *options_; }
    [[nodiscard]] const std::string& scratch() const { return scratch_; }

    /// Devices of a type that nobody has dealt with yet, by index into `devices`.
    [[nodiscard]] std::vector<std::size_t> waiting(std::string_view type) const;
    void done_with(std::size_t index) { done_.insert(devices[index].volume.name); }
    void refuse(std::size_t index, Error error);
    void refuse(Unopened refused);

    struct Found {
        std::string name;
        std::string kind;
        std::vector<std::string> stands_on;
        std::string node;
        dev_t number = 0;
    };
    /// Makes the node where it is missing, looks inside, and adds it with its partitions.
    [[nodiscard]] Status add(Found found);
    /// A name for a mapped device of ours that no other process has.
    [[nodiscard]] static std::string fresh_mapping();
    struct Mapped {
        dev_t number = 0;
        std::string node;
    };
    /// Creates it and its node; closing the layer of this name removes both.
    [[nodiscard]] Result<Mapped> add_mapping(const std::string& volume, const LinearMap& map);

private:
    Status add_partition(const Device& container, report::Volume volume);
    sys::Host host_;
    std::string scratch_;
    const Options* options_;
    std::set<std::string> done_;
};

/// How far a round may go: containers of which a part is missing wait until nothing else appears.
enum class Completeness { Whole, Any };

// Each opens what it can of the waiting devices, and says whether anything new appeared.
[[nodiscard]] Result<bool> open_encrypted(Opening& opening);
[[nodiscard]] Result<bool> open_arrays(Opening& opening, Completeness completeness);
[[nodiscard]] Result<bool> open_groups(Opening& opening, Completeness completeness);
[[nodiscard]] Result<bool> open_pools(Opening& opening);

/// Number of the node; how large it is; whether the kernel refuses writes to it.
struct NodeState {
    dev_t number = 0;
    std::uint64_t size = 0;
    bool read_only = false;
};
[[nodiscard]] Result<NodeState> state_of_node(const std::string& node);
/// mknod(2), unless it is there with this number.
[[nodiscard]] Status make_block_node(const std::string& node, dev_t number);

} // namespace slipway::storage
