// SPDX-License-Identifier: Apache-2.0
#include "image/source.hpp"

#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::image {
namespace {

constexpr int max_backing_depth = 16;

// A plain name beside the image, never through a link: the name comes from inside the image.
Result<sys::OwnedFd> open_beside(const std::string& image, const std::string& name, int flags) {
    SLIPWAY_TRY(auto directory,
                sys::open_file(std::string(dirname_of(image)), O_PATH | O_DIRECTORY));
    open_how how{};
    // O_NONBLOCK: the name may be that of a FIFO.
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    sys::OwnedFd fd(
        static_cast<int>(::syscall(SYS_openat2, directory.raw(), name.c_str(), &how, sizeof how)));
    if (!fd.valid())
        return fail_errno(
            fmt::format("opening {}, which {} names as a part of itself", printable(name), image));
    struct stat info {};
    if (::fstat(fd.raw(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{}, a part of {}, is not a regular file", printable(name), image));
    return fd;
}

// QEMU reads zeros behind the end of a file.
Status check_extent_length(sys::BorrowedFd file, const VmdkExtent& extent) {
    struct stat info {};
    if ((extent.type != "FLAT" && extent.type != "VMFS") || ::fstat(file.raw(), &info) != 0)
        return {};
    auto sectors = static_cast<std::uint64_t>(info.st_size) / 512;
    if (sectors >= extent.offset && sectors - extent.offset >= extent.sectors)
        return {};
    return fail(Code::Corrupt,
                fmt::format("{} is cut off: the disk's descriptor speaks of {} sectors in it, and "
                            "it has {}",
                            printable(extent.file), extent.offset + extent.sectors, sectors),
                "copy the image again from its origin");
}

Status refuse_references(const std::string& path, const Probe& probe) {
    const auto& named = probe.backing_file.empty() ? probe.data_file : probe.backing_file;
    if (named.empty())
        return {};
    return fail(Code::Unsupported,
                fmt::format("{} names another file, {}, as its {}", path, printable(named),
                            probe.backing_file.empty() ? "data file" : "backing file"),
                "if you trust the image and that file, use --allow-backing (in programs: "
                "SLIPWAY_ALLOW_BACKING=1); if it is a raw disk that only looks like this format, "
                "use --source-format raw (format=\"raw\")");
}

} // namespace

Json BlockGraph::to_json() const {
    return {{"node", node}, {"read_fds", read_fds}, {"write_fds", write_fds}};
}

std::string BlockGraph::filename() const {
    return "json:" + render_json(node);
}

Result<Source> Source::open(const std::string& path, const OpenOptions& options) {
    Source source;
    source.path_ = path;
    source.next_fd_ = options.first_fd;
    SLIPWAY_CHECK(source.open_main(options));
    if (!options.allow_backing)
        SLIPWAY_CHECK(refuse_references(path, source.probe_));
    SLIPWAY_CHECK(source.open_extents(options));
    if (options.allow_backing)
        SLIPWAY_CHECK(source.open_references(options, 0));
    return source;
}

Result<int> Source::add_file(sys::OwnedFd fd, bool writable) {
    struct stat seen {};
    if (::fstat(fd.raw(), &seen) != 0)
        return fail_errno(fmt::format("looking at {}", path_));
    files_.push_back({std::move(fd), next_fd_, writable, seen});
    return next_fd_++;
}

Status Source::open_main(const OpenOptions& options) {
    auto fd = sys::open_file(path_, (options.in_place ? O_RDWR : O_RDONLY) | O_NONBLOCK);
    if (!fd && fd.error().errno_value == EISDIR)
        return refuse_kind(Kind::Directory, path_);
    if (!fd)
        return fail(std::move(fd).error());
    SLIPWAY_TRY(kind_, kind_of_file(*fd, path_));
    if (kind_ == Kind::Archive && options.format)
        kind_ = Kind::Disk;
    if (kind_ != Kind::Disk && !options.any_kind)
        return refuse_kind(kind_, path_);
    block_device_ = image::is_block_device(*fd);
    if (kind_ == Kind::Directory) {
        SLIPWAY_TRY([[maybe_unused]] auto number, add_file(std::move(*fd), false));
        return {};
    }
    SLIPWAY_CHECK(lock_image(*fd, options.access, path_));
    if (block_device_) { // open(2): O_EXCL fails on a block device that the system itself uses
        auto alone = sys::open_file(path_, O_RDONLY | O_EXCL | O_NONBLOCK);
        held_ = !alone && alone.error().errno_value == EBUSY;
    }
    auto probed = kind_ == Kind::Archive ? Probe{} : probe_format(*fd, options.format);
    if (!probed)
        return fail(std::move(probed.error()).in(path_));
    probe_ = std::move(*probed);
    if (options.in_place && !probe_.rewritable)
        return fail(
            Code::Unsupported,
            fmt::format("{} is a {} VMDK, which cannot be rewritten in place", path_,
                        probe_.subformat == "descriptor" ? probe_.create_type : probe_.subformat),
            fmt::format("slipway migrate {} --output NEW.qcow2", path_));
    SLIPWAY_TRY([[maybe_unused]] auto number, add_file(std::move(*fd), options.in_place));
    return {};
}

Status Source::open_extents(const OpenOptions& options) {
    if (probe_.extents.empty())
        return {};
    // QEMU gets a descriptor of our own making, whose extents are our descriptors.
    std::string text =
        fmt::format("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
                    "createType=\"{}\"\n",
                    printable(probe_.create_type));
    std::vector<std::string> lines;
    for (const auto& extent : probe_.extents) {
        if (extent.type == "ZERO") {
            text += fmt::format("{} {} ZERO\n", extent.access, extent.sectors);
            continue;
        }
        if (extent.type != "FLAT" && extent.type != "SPARSE" && extent.type != "VMFS" &&
            extent.type != "VMFSSPARSE")
            return fail(Code::Unsupported, fmt::format("{} has an extent of the type {}", path_,
                                                       printable(extent.type)));
        SLIPWAY_TRY(auto fd, open_beside(path_, extent.file, options.in_place ? O_RDWR : O_RDONLY));
        SLIPWAY_CHECK(lock_extent(fd, options.access, extent.file));
        SLIPWAY_CHECK(check_extent_length(fd, extent));
        SLIPWAY_TRY(auto number, add_file(std::move(fd), options.in_place));
        text += fmt::format("{} {} {} \"{}\"{}\n", extent.access, extent.sectors, extent.type,
                            sys::proc_path(number),
                            extent.type == "FLAT" ? fmt::format(" {}", extent.offset) : "");
    }
    SLIPWAY_TRY(auto directory, sys::make_memfd("slipway-vmdk-descriptor", text));
    files_.front().fd = std::move(directory);
    ::fstat(files_.front().fd.raw(), &files_.front().seen);
    files_.front().writable = options.in_place;
    return {};
}

Status Source::open_references(const OpenOptions& options, int depth) {
    auto beside = [&](const std::string& name) {
        return name.starts_with("/") ? name : fmt::format("{}/{}", dirname_of(path_), name);
    };
    if (!probe_.data_file.empty()) {
        SLIPWAY_TRY(auto fd,
                    sys::open_file(beside(probe_.data_file), options.in_place ? O_RDWR : O_RDONLY));
        data_file_ = files_.size();
        SLIPWAY_TRY([[maybe_unused]] auto number, add_file(std::move(fd), options.in_place));
    }
    if (probe_.backing_file.empty())
        return {};
    if (probe_.format != Format::Qcow2)
        return fail(Code::Unsupported, fmt::format("{} is a differencing disk", path_),
                    "merge it with its parent first, with the tool that made it");
    if (depth >= max_backing_depth)
        return fail(Code::Corrupt, fmt::format("{} has a chain of more than {} backing files",
                                               path_, max_backing_depth));
    Source backing;
    backing.path_ = beside(probe_.backing_file);
    backing.next_fd_ = next_fd_;
    OpenOptions below{.access = Access::Read, .allow_backing = true};
    if (auto opened = backing.open_main(below); !opened)
        return fail(std::move(opened.error()).in(fmt::format("the backing file of {}", path_)));
    SLIPWAY_CHECK(backing.open_extents(below));
    SLIPWAY_CHECK(backing.open_references(below, depth + 1));
    next_fd_ = backing.next_fd_;
    backing_ = std::make_unique<Source>(std::move(backing));
    return {};
}

std::uint64_t Source::allocated() const {
    std::uint64_t bytes = backing_ ? backing_->allocated() : 0;
    for (const auto& file : files_) {
        struct stat info {};
        if (::fstat(file.fd.raw(), &info) == 0)
            bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    }
    return bytes;
}

Status Source::check_unchanged() const {
    for (const auto& file : files_) {
        struct stat now {};
        if (!S_ISREG(file.seen.st_mode) || ::fstat(file.fd.raw(), &now) != 0)
            continue;
        const auto& was = file.seen;
        if (now.st_size != was.st_size)
            return fail(Code::Busy,
                        fmt::format("{} changed its size while it was read, from {} to {} bytes",
                                    path_, was.st_size, now.st_size),
                        "stop what writes to it, and try again");
        if (now.st_mtim.tv_sec != was.st_mtim.tv_sec || now.st_mtim.tv_nsec != was.st_mtim.tv_nsec)
            return fail(Code::Busy, fmt::format("{} was written to while it was read", path_),
                        "stop what writes to it, and try again");
    }
    return backing_ ? backing_->check_unchanged() : Status{};
}

Status Source::sync() const {
    for (const auto& file : files_)
        if (file.writable && ::fsync(file.fd.raw()) != 0 &&
            errno != EINVAL) // EINVAL: our descriptor in memory
            return fail_errno(fmt::format("syncing {}", path_));
    return {};
}

Json Source::file_node(const File& file, bool writable) const {
    Json node{{"driver", block_device_ ? "host_device" : "file"},
              {"filename", sys::proc_path(file.number)},
              {"read-only", !(writable && file.writable)}};
    node["locking"] = "off";
    return node;
}

BlockGraph Source::graph(bool writable) const {
    BlockGraph graph;
    for (const auto& file : files_) {
        graph.fds.push_back({file.fd, file.number});
        (writable && file.writable ? graph.write_fds : graph.read_fds).push_back(file.number);
    }
    graph.node = {{"driver", name_of(probe_.format)},
                  {"read-only", !writable},
                  {"file", file_node(files_.front(), writable)}};
    if (data_file_)
        graph.node["data-file"] =
            Json{{"driver", "raw"}, {"file", file_node(files_[*data_file_], writable)}};
    if (probe_.format == Format::Qcow2 || probe_.format == Format::Vmdk)
        graph.node["backing"] = nullptr;
    // QEMU opens the extents itself, and its locks would meet ours. QMP has no such option; graphs
    // to be written go to qemu-img only.
    if (writable)
        for (const auto& extent : probe_.extents)
            if (extent.type != "ZERO")
                graph.node["extents"].push_back({{"locking", "off"}});
    if (backing_) {
        auto below = backing_->graph();
        graph.node["backing"] = below.node;
        graph.fds.insert(graph.fds.end(), below.fds.begin(), below.fds.end());
        graph.read_fds.insert(graph.read_fds.end(), below.read_fds.begin(), below.read_fds.end());
    }
    return graph;
}

} // namespace slipway::image
