// SPDX-License-Identifier: Apache-2.0
#include "repair/initramfs_segment.hpp"

#include <algorithm>

#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "guest/module_tree.hpp"
#include "repair/generator.hpp"
#include "repair/segment_archive.hpp"
#include "repair/segment_stage.hpp"
#include "repair/segment_survey.hpp"

namespace slipway::repair {
namespace {

constexpr std::uint64_t spare_space = 1 << 20; // for the filesystem's own records
constexpr auto use_generator = "run the guest's own generator instead: --regen-initramfs";

/// The request, checked.
struct Request {
    sys::GuestPath image;
    std::string kernel;
    sys::GuestPath modules_dir;
    std::vector<std::string> modules;
};

Result<Request> check_request(const sys::RootDir& root, const report::Action& action) {
    if (!is_plain_version(action.kernel))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no kernel version", printable(action.kernel)));
    SLIPWAY_TRY(auto image, sys::GuestPath::parse(action.path));
    auto modules_dir = sys::GuestPath("/lib/modules") / action.kernel;
    if (!root.is_dir(modules_dir))
        modules_dir = sys::GuestPath("/usr/lib/modules") / action.kernel;
    return Request{.image = std::move(image),
                   .kernel = action.kernel,
                   .modules_dir = std::move(modules_dir),
                   .modules = action.modules};
}

/// The modules that have to be added, with all they depend on, by name.
Result<std::vector<std::string>> choose_modules(const Request& request,
                                                const guest::ModuleTree& tree,
                                                const guest::InitramfsContents& contents) {
    auto inside = [&](const std::string& name) {
        return contents.modules.contains(name) || contents.builtin.contains(name) ||
               tree.is_builtin(name);
    };
    for (const auto& name : request.modules)
        if (!inside(name) && tree.path_of(name) == nullptr)
            return fail(Code::NotFound, fmt::format("kernel {} of the guest has no module {}",
                                                    request.kernel, printable(name)));
    auto chosen = tree.closure(request.modules);
    std::erase_if(chosen, inside);
    return chosen;
}

/// Puts the chosen modules into the stage; returns their paths below VERSION.
Result<std::vector<std::string>> stage_modules(const sys::RootDir& root,
                                               const sys::GuestPath& modules_dir,
                                               const std::vector<std::string>& chosen_paths,
                                               SegmentStage& stage) {
    std::vector<std::string> staged;
    for (const auto& path : chosen_paths) {
        SLIPWAY_TRY(auto place,
                    sys::GuestPath::parse(fmt::format("{}/{}", modules_dir.str(), path)));
        SLIPWAY_TRY(auto module, read_module(root, place));
        staged.push_back(without_compression(path));
        SLIPWAY_CHECK(stage.add(staged.back(), module));
    }
    return staged;
}

std::vector<std::string> paths_of(const std::vector<std::string>& modules,
                                  const guest::ModuleTree& tree) {
    std::vector<std::string> paths;
    paths.reserve(modules.size());
    for (const auto& name : modules)
        paths.push_back(*tree.path_of(name));
    return paths;
}

/// The drivers that nothing else pulls in, as far as this kernel has them as modules.
std::vector<std::string> drivers_to_load(const guest::ModuleTree& tree) {
    auto drivers = guest::virtio_disk_modules();
    std::erase_if(drivers, [&](const auto& name) {
        return tree.path_of(name) == nullptr || tree.is_builtin(name);
    });
    return drivers;
}

Status check_extendable(const SegmentSurvey& survey, const Request& request) {
    if (survey.contents.has_index && !survey.contents.modules_root.empty())
        return {};
    return fail(Code::Unsupported,
                fmt::format("{} has no module index (modules.dep) for kernel {}, so what is added "
                            "would not be loaded",
                            request.image.str(), request.kernel),
                use_generator);
}

Status check_space(const Request& request, sys::BorrowedFd image, std::uint64_t size) {
    struct statvfs space {};
    if (::fstatvfs(image.raw(), &space) != 0)
        return fail_errno(fmt::format("looking for free space beside {}", request.image.str()));
    auto free = static_cast<std::uint64_t>(space.f_bfree) * space.f_frsize;
    if (free >= size + spare_space)
        return {};
    return fail(Code::NoSpace,
                fmt::format("{} has {} free, and the new {} needs {} beside the old one",
                            request.image.parent().str(), format_size(free), request.image.name(),
                            format_size(size + spare_space)),
                "remove old kernels there, or enlarge the filesystem");
}

// Shares the blocks where the filesystem can.
Status copy_bytes(sys::BorrowedFd from, sys::BorrowedFd to, std::uint64_t size) {
    off64_t read_at = 0;
    off64_t write_at = 0;
    while (static_cast<std::uint64_t>(write_at) < size) {
        auto left = size - static_cast<std::uint64_t>(write_at);
        auto copied = ::copy_file_range(from.raw(), &read_at, to.raw(), &write_at, left, 0);
        if (copied < 0 &&
            (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
            ::lseek(to.raw(), write_at, SEEK_SET);
            copied = ::sendfile(to.raw(), from.raw(), &read_at, left);
            write_at += std::max<ssize_t>(copied, 0);
        }
        if (copied < 0 && errno != EINTR)
            return fail_errno("copying an initramfs");
        if (copied == 0)
            return fail(Code::Corrupt, "the initramfs became shorter while it was copied");
    }
    return {};
}

Status write_segment(const Request& request, const sys::RootDir& root, sys::BorrowedFd image,
                     std::uint64_t image_size, const std::string& bytes) {
    SLIPWAY_CHECK(check_space(request, image, image_size + bytes.size()));
    SLIPWAY_TRY(auto replacement, root.replace(request.image));
    SLIPWAY_CHECK(copy_bytes(image, replacement.fd(), image_size));
    SLIPWAY_CHECK(sys::write_all_at(replacement.fd(), bytes, image_size));
    return replacement.commit();
}

} // namespace

Result<SegmentRecord> append_initramfs_segment(const sys::Host& host, const sys::RootDir& root,
                                               const report::Action& action,
                                               const SegmentOptions& options) {
    SLIPWAY_TRY(auto request, check_request(root, action));
    SLIPWAY_TRY(auto tree, guest::ModuleTree::read(root, request.modules_dir));
    SLIPWAY_TRY(auto image, root.open_path(request.image, O_RDONLY));
    SLIPWAY_TRY(auto stage, SegmentStage::create(options.scratch_dir, request.kernel));
    auto survey = survey_initramfs(image, request.kernel, {root, request.modules_dir}, stage);
    if (!survey)
        return fail(std::move(survey)
                        .error()
                        .in(fmt::format("reading {} of the guest", request.image.str()))
                        .advise(use_generator));
    SLIPWAY_TRY(auto chosen, choose_modules(request, tree, survey->contents));
    if (chosen.empty() && action.files.empty())
        return SegmentRecord{};
    SLIPWAY_CHECK(host.cancel.check());
    SegmentParts parts{.kernel = request.kernel, .files = action.files};
    if (!chosen.empty()) {
        SLIPWAY_CHECK(check_extendable(*survey, request));
        SLIPWAY_TRY(parts.modules,
                    stage_modules(root, request.modules_dir, paths_of(chosen, tree), stage));
        parts.modules.insert(parts.modules.end(), survey->renamed.begin(), survey->renamed.end());
        SLIPWAY_TRY(parts.index, stage.make_index(host));
        parts.to_load = drivers_to_load(tree);
    }
    SLIPWAY_TRY(auto cpio, build_segment(parts, *survey, stage));
    SLIPWAY_TRY(auto segment, encode_segment(std::move(cpio), survey->layout));
    SLIPWAY_CHECK(write_segment(request, root, image, survey->layout.size, segment.bytes));
    return SegmentRecord{.modules = std::move(chosen),
                         .compression = segment.compression,
                         .size = segment.bytes.size()};
}

} // namespace slipway::repair
