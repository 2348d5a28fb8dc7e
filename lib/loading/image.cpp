// SPDX-License-Identifier: Apache-2.0
#include "loading/image.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "archive/unpack.hpp"
#include "base/elf.hpp"
#include "base/strings.hpp"
#include "sys/directories.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"

namespace slipway::loading {
namespace {

// Of Debian and its kin there is one for each architecture between the first two.
constexpr std::array<std::string_view, 3> library_places{"/usr/lib", "/usr/lib64", "/lib"};
constexpr std::string_view systemd_library = "libsystemd-shared-";

constexpr std::array inits{
    "/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/etc/init", "/bin/init",
    "/init"};

// Journals are not replayed: the image is not written.
const char* options_of(ImageFormat format) {
    return format == ImageFormat::Ext4 ? "noload" : format == ImageFormat::Xfs ? "norecovery" : "";
}

Result<std::string> read_head(sys::BorrowedFd file, Partition part) {
    std::string head(std::min<std::uint64_t>(head_size, part.size), '\0');
    SLIPWAY_CHECK(sys::read_exactly_at(file, std::as_writable_bytes(std::span(head)), part.offset));
    return head;
}

tl::unexpected<Error> why_not_mounted(ImageFormat format, Error error) {
    if (error.errno_value == ENODEV)
        return fail(Code::Unsupported, fmt::format("this kernel has no {}", name_of(format)),
                    "pack its module with `slipway netboot build --modules`");
    error.code = Code::Corrupt;
    error.hint = "the image is damaged, or of a kind that this kernel does not know: the kernel's "
                 "messages (dmesg) may say more";
    return fail(std::move(error).in(
        fmt::format("the image looks like {}, and cannot be mounted", name_of(format))));
}

} // namespace

Result<WrittenPlace> open_written_place(const DiskWish& wish, const std::string& digest,
                                        const std::string& url) {
    SLIPWAY_TRY(auto disk, LabelledDisk::open(wish, Cancel()));
    auto directory = fmt::format("{}/slipway/persist/{}", disk.path(), digest);
    for (const auto* part : {"/upper", "/work"})
        if (auto made = sys::make_directories(directory + part); !made)
            return fail(std::move(made.error())
                            .in(fmt::format("keeping what the image writes on the disk {}",
                                            printable(wish.label))));
    std::ignore = sys::write_file(directory + "/url", url + "\n");
    return WrittenPlace{std::move(disk), std::move(directory)};
}

Result<ImageRoot> ImageRoot::open(sys::BorrowedFd file, ImageFormat format, RootPlaces places) {
    ImageRoot root;
    root.written_ = std::move(places.written);
    root.lazy_ = std::move(places.lazy);
    auto lower = places.directory + "/image";
    root.root_ = places.directory + "/root";
    for (const auto& made : {lower, root.root_})
        if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(fmt::format("making {}", made));
    if (format == ImageFormat::Tar && !root.written_) {
        SLIPWAY_CHECK(root.unpack(file, root.root_, places.program));
        return root;
    }
    SLIPWAY_CHECK(format == ImageFormat::Tar    ? root.unpack(file, lower, places.program)
                  : format == ImageFormat::Disk ? root.mount_disk(file, lower)
                                                : root.mount_file(file, format, lower));
    SLIPWAY_CHECK(root.add_overlay(places.directory, lower));
    return root;
}

Status ImageRoot::mount(const sys::MountSpec& spec) {
    SLIPWAY_CHECK(sys::mount(spec));
    mounts_.push_back(spec.target);
    return {};
}

Status ImageRoot::mount_file(sys::BorrowedFd file, ImageFormat format, const std::string& place,
                             Partition part) {
    SLIPWAY_TRY(auto loop, sys::LoopDevice::attach(file, {.read_only = true,
                                                          .direct_io = lazy_ != nullptr,
                                                          .offset = part.offset,
                                                          .size = part.size}));
    loop_ = std::make_unique<sys::LoopDevice>(std::move(loop));
    // Of a lazy image no more than what is wanted.
    if (lazy_)
        std::ignore = sys::write_file(
            fmt::format("/sys/block/{}/queue/read_ahead_kb", loop_->disk().name()), "16");
    auto mounted = mount({.source = "/dev/" + loop_->disk().name(),
                          .target = place,
                          .type = std::string(name_of(format)),
                          .flags = MS_RDONLY,
                          .options = options_of(format)});
    return mounted ? std::move(mounted) : why_not_mounted(format, std::move(mounted.error()));
}

Status ImageRoot::mount_disk(sys::BorrowedFd file, const std::string& place) {
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno("looking at the image");
    auto size = static_cast<std::uint64_t>(info.st_size);
    SLIPWAY_TRY(auto head, read_head(file, {0, size}));
    SLIPWAY_TRY(auto parts, partitions_of(head, size));
    std::vector<std::string> tried;
    for (const auto& part : parts) {
        auto number = fmt::format("at {}", format_size(part.offset));
        SLIPWAY_TRY(auto begin, read_head(file, part));
        auto format = identify_image(begin);
        if (!format || *format == ImageFormat::Tar || *format == ImageFormat::Disk) {
            tried.push_back(number + ": no filesystem that is taken here");
            continue;
        }
        auto mounted = mount_file(file, *format, place, part);
        auto init = mounted ? find_init(place) : fail(std::move(mounted.error()));
        if (init)
            return {};
        tried.push_back(fmt::format("{}: {}, {}", number, name_of(*format), init.error().what));
        SLIPWAY_CHECK(close_file());
    }
    return fail(Code::NotFound,
                fmt::format("no partition of the image has a system ({})", join(tried, "; ")),
                "of volume groups and encrypted disks make an image with `slipway netboot pack`");
}

// What is written to the image goes to memory, or stays on a disk.
Status ImageRoot::add_overlay(const std::string& directory, const std::string& lower) {
    auto place = written_ ? written_->directory : directory + "/memory";
    if (!written_) {
        if (::mkdir(place.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(fmt::format("making {}", place));
        SLIPWAY_CHECK(mount({.source = "slipway-target", .target = place, .type = "tmpfs"}));
        for (const auto& made : {place + "/upper", place + "/work"})
            if (::mkdir(made.c_str(), 0755) != 0)
                return fail_errno(fmt::format("making {}", made));
    }
    // Without an index: it would know the image's filesystem again, which is another each time.
    SLIPWAY_CHECK(
        mount({.source = "slipway-target",
               .target = root_,
               .type = "overlay",
               .options = fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work{}", lower,
                                      place, place, written_ ? ",index=off" : "")}));
    // Where it cannot make its work directory, the kernel mounts it read-only, and says nothing.
    struct statvfs info {};
    if (::statvfs(root_.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY) != 0)
        return fail(
            Code::NoSpace,
            fmt::format("nothing can be written to {}",
                        written_ ? "the disk " + printable(written_->disk.label()) : "memory"),
            "make room there");
    return {};
}

Status ImageRoot::unpack(sys::BorrowedFd file, const std::string& place,
                         const std::string& program) {
    SLIPWAY_CHECK(mount({.source = "slipway-target",
                         .target = place,
                         .type = "tmpfs",
                         .options = "mode=0755,size=90%"}));
    // In a process of its own, whose root it is: names in the archive cannot lead out of it.
    sys::LocalRunner runner;
    sys::ProcessSpec spec{.argv = {program, "--unpack", place}};
    spec.fds = {{file, 0}};
    SLIPWAY_TRY(auto ended, sys::run(runner, spec));
    if (ended.status != 0)
        return fail(Code::Corrupt,
                    fmt::format("unpacking the image: {}", printable(trim(ended.err))));
    return {};
}

Status unpack_standard_input() {
    struct stat info {};
    if (::fstat(0, &info) != 0)
        return fail_errno("looking at the archive");
    SLIPWAY_TRY(auto unpacked,
                archive::unpack_here(sys::BorrowedFd(0), static_cast<std::uint64_t>(info.st_size),
                                     {.below = true}));
    if (unpacked.incomplete > 0)
        return fail(Code::Corrupt,
                    fmt::format("{} entries of the archive could not be unpacked: {}",
                                unpacked.incomplete, join(unpacked.examples, "; ")));
    return {};
}

// The image's own mounts, and what they are of.
Status ImageRoot::close_file() {
    Status first;
    while (!mounts_.empty()) {
        auto done = sys::unmount_tree(mounts_.back());
        if (first && !done)
            first = std::move(done);
        mounts_.pop_back();
    }
    if (loop_) {
        auto done = loop_->detach();
        loop_.reset();
        if (first && !done)
            first = std::move(done);
    }
    return first;
}

Status ImageRoot::close() {
    auto first = close_file();
    if (written_) {
        auto done = written_->disk.close();
        written_.reset();
        if (first && !done)
            first = std::move(done);
    }
    if (lazy_) {
        auto done = lazy_->close();
        lazy_.reset();
        if (first && !done)
            first = std::move(done);
    }
    return first;
}

ImageRoot::~ImageRoot() {
    [[maybe_unused]] auto closed = close();
}

Status check_machine(std::string_view machine) {
    utsname kernel{};
    ::uname(&kernel);
    std::string_view own = kernel.machine;
    if (machine == own || (machine == "i386" && (own == "x86_64" || own.ends_with("86"))) ||
        (machine == "arm" && own.starts_with("arm")))
        return {};
    return fail(Code::Unsupported, fmt::format("the image is for {}, and this machine is {}",
                                               machine.empty() ? "another machine" : machine, own));
}

Result<std::string> find_init(const std::string& root) {
    SLIPWAY_TRY(auto directory, sys::RootDir::open(root));
    for (const auto* init : inits) {
        auto file = directory.open_path(sys::GuestPath(init), O_RDONLY);
        struct stat info {};
        if (!file || ::fstat(file->raw(), &info) != 0 || !S_ISREG(info.st_mode) ||
            (info.st_mode & 0111) == 0)
            continue;
        std::array<char, elf_machine_size> bytes{};
        std::string_view header{bytes.data(), bytes.size()};
        // A script is taken for what it is: its interpreter tells when it starts.
        if (sys::read_exactly_at(*file, std::as_writable_bytes(std::span(bytes)), 0) &&
            header.starts_with("\x7f"
                               "ELF"))
            SLIPWAY_CHECK(check_machine(elf_machine(header)));
        return std::string(init);
    }
    return fail(Code::NotFound, "the image has no init",
                "it must hold a whole system: one of /sbin/init and /usr/lib/systemd/systemd");
}

std::uint64_t systemd_version(const std::string& root) {
    auto directory = sys::RootDir::open(root);
    if (!directory)
        return 0;
    auto version_in = [&](const sys::GuestPath& place) -> std::uint64_t {
        auto files = directory->list(place);
        if (!files)
            return 0;
        for (const auto& [name, type] : *files)
            if (name.starts_with(systemd_library)) {
                auto rest = std::string_view(name).substr(systemd_library.size());
                return parse_number(rest.substr(0, rest.find_first_not_of("0123456789")))
                    .value_or(0);
            }
        return 0;
    };
    for (auto library : library_places) {
        sys::GuestPath place(library);
        auto version = version_in(place / "systemd");
        if (auto below = directory->list(place); version == 0 && below)
            for (const auto& [name, type] : *below)
                if (version == 0 && name.find("-linux-") != std::string::npos)
                    version = version_in(place / name / "systemd");
        if (version != 0)
            return version;
    }
    return 0;
}

} // namespace slipway::loading
