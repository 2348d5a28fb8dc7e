// SPDX-License-Identifier: Apache-2.0
// What the tools share that open an image, and the records of findings.
#pragma once

#include <string>
#include <vector>

#include "mcp/tool.hpp"
#include "report/finding.hpp"

namespace slipway::mcp {

struct ImageArguments : Waiting {
    std::string image;
    std::string root{};
    std::string engine = "auto";
    bool untrusted = false;
    std::string source_format{};
    bool allow_backing = false;
    std::vector<std::string> keys{};
    static Shape<ImageArguments> shape();

    /// With the keys read. InvalidArgument.
    [[nodiscard]] Result<ops::ImageOptions> options(const Cancel& cancel) const;
};

/// Of a machine with several disks.
struct MachineArguments : ImageArguments {
    std::vector<std::string> disks{};
    static Shape<MachineArguments> shape();
    [[nodiscard]] Result<ops::ImageOptions> options(const Cancel& cancel) const;
};

struct FindingRecord {
    std::string severity;
    std::string id;
    std::string where;
    std::string text;
    std::string remedy;
    static Shape<FindingRecord> shape();
};
/// The worst first, so that those stay where a list is shortened.
[[nodiscard]] std::vector<FindingRecord> records_of(const report::Findings& findings);

} // namespace slipway::mcp
