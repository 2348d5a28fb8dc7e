// SPDX-License-Identifier: Apache-2.0
#include "mcp/image_arguments.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "storage/key_option.hpp"

namespace slipway::mcp {
namespace {

// Only files: a secret in an argument would be in the client's logs, and the server has no
// terminal.
Result<storage::Key> read_key(const std::string& text, const Cancel& cancel) {
    SLIPWAY_TRY(auto option, storage::parse_key_option(text));
    if (option.source != storage::KeyOption::Source::File)
        return fail(Code::InvalidArgument, "a key comes from a file here",
                    fmt::format("give it as {}:file:PATH", option.selector));
    SLIPWAY_TRY(auto file, sys::open_file(option.path, O_RDONLY | O_NONBLOCK));
    SLIPWAY_TRY(auto secret, storage::read_secret(file, option.path, cancel));
    return storage::Key{option.selector, std::move(secret)};
}

} // namespace

Shape<ImageArguments> ImageArguments::shape() {
    using A = ImageArguments;
    return Shape<A>()
        .add("image", &A::image,
             "Path of the disk image (raw, qcow2, VMDK, VHD, VHDX, VDI) or block device",
             {.required = true, .is_path = true})
        .add("root", &A::root,
             "Volume of the operating system, such as sda2 or btrfs:sda2/@; empty: it is found")
        .add("engine", &A::engine,
             "host: this kernel, needs root; sandbox: a virtual machine, for anybody",
             {.choices = {"auto", "host", "sandbox"}})
        .add("untrusted", &A::untrusted, "The image may be hostile: the host never parses it")
        .add("source_format", &A::source_format, "Image format; empty: it is found out",
             {.choices = {"", "raw", "qcow2", "vmdk", "vpc", "vhdx", "vdi"}})
        .add("allow_backing", &A::allow_backing, "Follow files that the image names")
        .add("keys", &A::keys,
             "Keys of encrypted volumes: WHICH:file:PATH, where WHICH is a volume, a UUID or all")
        .with(Waiting::shape());
}

Result<ops::ImageOptions> ImageArguments::options(const Cancel& cancel) const {
    ops::ImageOptions options;
    options.path = image;
    options.root = root;
    options.engine = engine;
    options.untrusted = untrusted || ops::untrusted_by_environment();
    options.allow_backing = allow_backing;
    if (!source_format.empty()) {
        SLIPWAY_TRY(options.format, image::parse_format(source_format));
    }
    auto read = std::make_shared<std::vector<storage::Key>>();
    for (const auto& text : keys) {
        SLIPWAY_TRY(auto key, read_key(text, cancel));
        read->push_back(std::move(key));
    }
    options.keys = std::move(read);
    return options;
}

Shape<MachineArguments> MachineArguments::shape() {
    return Shape<MachineArguments>()
        .with(ImageArguments::shape())
        .add("disks", &MachineArguments::disks,
             "Images of further disks of the same machine: sdb, sdc, …");
}

Result<ops::ImageOptions> MachineArguments::options(const Cancel& cancel) const {
    SLIPWAY_TRY(auto options, ImageArguments::options(cancel));
    options.further_disks = disks;
    return options;
}

Shape<FindingRecord> FindingRecord::shape() {
    using R = FindingRecord;
    return Shape<R>()
        .add("severity", &R::severity, "blocker: it will not boot",
             {.choices = {"info", "warning", "error", "blocker"}})
        .add("id", &R::id, "Its kind, a stable name")
        .add("where", &R::where, "File, volume or kernel; may be empty")
        .add("text", &R::text, "What is wrong, or worth knowing")
        .add("remedy", &R::remedy, "What to do about it; may be empty");
}

std::vector<FindingRecord> records_of(const report::Findings& findings) {
    auto sorted = findings;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.severity > b.severity; });
    std::vector<FindingRecord> records;
    for (const auto& finding : sorted)
        records.push_back({std::string(report::name_of(finding.severity)), finding.id,
                           finding.where, finding.text, finding.remedy});
    return records;
}

} // namespace slipway::mcp
