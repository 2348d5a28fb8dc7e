// SPDX-License-Identifier: Apache-2.0
#include "repair/segment_stage.hpp"

#include <filesystem>
#include <utility>

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::repair {
namespace {

constexpr std::uint64_t max_total = std::uint64_t{1} << 30;
constexpr std::size_t max_file = 64 << 20;
constexpr std::uint64_t depmod_memory = std::uint64_t{2} << 30; // of address space
constexpr auto depmod_deadline = std::chrono::seconds(60);

// What depmod reads besides the modules themselves.
bool is_input(std::string_view name) {
    return name == "modules.builtin" || name == "modules.builtin.modinfo" ||
           name == "modules.order";
}

} // namespace

Result<SegmentStage> SegmentStage::create(const std::string& parent, const std::string& kernel) {
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    auto directory = fmt::format("{}/segment-XXXXXX", parent);
    if (::mkdtemp(directory.data()) == nullptr)
        return fail_errno(fmt::format("making a directory in {}", parent));
    auto root = sys::RootDir::open(directory);
    if (!root)
        return fail(std::move(root).error());
    SegmentStage stage(directory, std::move(*root), kernel);
    SLIPWAY_CHECK(stage.root_.make_dirs(sys::GuestPath("/lib/modules") / kernel));
    SLIPWAY_CHECK(stage.root_.make_dirs(sys::GuestPath("/no-config")));
    // Some distributions build depmod to look below /usr/lib/modules.
    SLIPWAY_CHECK(stage.root_.make_dirs(sys::GuestPath("/usr")));
    SLIPWAY_CHECK(stage.root_.make_symlink("../lib", sys::GuestPath("/usr/lib")));
    return stage;
}

SegmentStage::SegmentStage(SegmentStage&& other) noexcept
    : directory_(std::exchange(other.directory_, {})), root_(std::move(other.root_)),
      kernel_(std::move(other.kernel_)), size_(other.size_) {}

SegmentStage::~SegmentStage() {
    std::error_code ignored;
    if (!directory_.empty())
        std::filesystem::remove_all(directory_, ignored);
}

Result<sys::GuestPath> SegmentStage::place_of(std::string_view path) const {
    return sys::GuestPath::parse(fmt::format("/lib/modules/{}/{}", kernel_, path));
}

Status SegmentStage::add(std::string_view path, std::string_view content) {
    SLIPWAY_TRY(auto place, place_of(path));
    size_ += content.size();
    if (size_ > max_total)
        return fail(Code::Unsupported,
                    fmt::format("its modules take more than {} bytes", max_total));
    SLIPWAY_CHECK(root_.make_dirs(place.parent()));
    SLIPWAY_TRY(auto file, root_.open_path(place, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    return sys::write_all(file, content);
}

Result<std::string> SegmentStage::read(std::string_view path) const {
    SLIPWAY_TRY(auto place, place_of(path));
    return root_.read(place, max_file);
}

bool SegmentStage::has(std::string_view path) const {
    auto place = place_of(path);
    return place && root_.exists(*place);
}

Result<std::map<std::string, std::string>> SegmentStage::make_index(const sys::Host& host) {
    sys::ProcessSpec spec{
        .argv = {"depmod", "-b", directory_, "-C", directory_ + "/no-config", kernel_}};
    spec.confinement = sys::Confinement{.read_paths = sys::program_read_paths(),
                                        .write_paths = {directory_},
                                        .address_space_limit = depmod_memory};
    if (::geteuid() == 0)
        spec.clone_flags = CLONE_NEWNET | CLONE_NEWIPC;
    SLIPWAY_TRY(
        auto captured,
        sys::run(*host.runner, spec,
                 {.deadline = depmod_deadline, .max_output = 1 << 16, .cancel = host.cancel}));
    SLIPWAY_CHECK(sys::check_tool(spec, captured, "indexing the modules of an initramfs"));
    std::map<std::string, std::string> index;
    SLIPWAY_TRY(auto directory, place_of(""));
    SLIPWAY_TRY(auto entries, root_.list(directory));
    for (const auto& entry : entries)
        if (entry.name.rfind("modules.", 0) == 0 && !is_input(entry.name)) {
            SLIPWAY_TRY(index[entry.name], root_.read(directory / entry.name, max_file));
        }
    return index;
}

} // namespace slipway::repair
