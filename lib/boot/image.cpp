// SPDX-License-Identifier: Apache-2.0
#include "boot/image.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "archive/unpack.hpp"
#include "base/strings.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"
#include "sys/root_dir.hpp"

namespace slipway::boot {
namespace {

using namespace std::string_view_literals;

struct Magic {
    std::size_t at;
    std::string_view bytes;
    std::optional<ImageFormat> format;
    std::string_view instead{}; ///< of what is none
};

constexpr std::string_view as_raw =
    "`slipway netboot serve` offers it raw; or make an image of its "
    "root with `slipway netboot pack`";
constexpr std::string_view not_packed = "pack it as squashfs, erofs or tar";

const std::vector<Magic>& magics() {
    static const std::vector<Magic> all{
        {0, "hsqs"sv, ImageFormat::Squashfs},
        {1024, "\xe2\xe1\xf5\xe0"sv, ImageFormat::Erofs},
        {1080, "\x53\xef"sv, ImageFormat::Ext4},
        {0, "XFSB"sv, ImageFormat::Xfs},
        {65600, "_BHRfS_M"sv, ImageFormat::Btrfs},
        {257, "ustar"sv, ImageFormat::Tar},
        {0, "\x1f\x8b"sv, ImageFormat::Tar},
        {0,
         "\xfd"
         "7zXZ\0"sv,
         ImageFormat::Tar},
        {0, "\x28\xb5\x2f\xfd"sv, ImageFormat::Tar},
        {0, "QFI\xfb"sv, std::nullopt, "a qcow2 disk"},
        {0, "KDMV"sv, std::nullopt, "a VMDK disk"},
        {0, "vhdxfile"sv, std::nullopt, "a VHDX disk"},
        {0, "conectix"sv, std::nullopt, "a VHD disk"},
        {64, "\x7f\x10\xda\xbe"sv, std::nullopt, "a VDI disk"},
        {512, "EFI PART"sv, std::nullopt, "a partitioned disk"},
        {32769, "CD001"sv, std::nullopt, "an ISO image"},
        {0,
         "\x7f"
         "ELF"sv,
         std::nullopt, "a program"},
        {510, "\x55\xaa"sv, std::nullopt, "a partitioned disk"},
    };
    return all;
}

constexpr std::array inits{
    "/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/etc/init", "/bin/init",
    "/init"};

std::optional<unsigned> elf_machine_of(std::string_view machine) {
    if (machine == "x86_64")
        return EM_X86_64;
    if (machine == "aarch64")
        return EM_AARCH64;
    if (machine == "riscv64")
        return EM_RISCV;
    if (machine == "ppc64le")
        return EM_PPC64;
    if (machine == "s390x")
        return EM_S390;
    return std::nullopt;
}

std::string name_of_machine(unsigned machine) {
    switch (machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "aarch64";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return "riscv";
    case EM_PPC64:
        return "ppc64";
    case EM_S390:
        return "s390x";
    default:
        return fmt::format("machine {}", machine);
    }
}

// Journals are not replayed: the image is not written.
const char* options_of(ImageFormat format) {
    return format == ImageFormat::Ext4 ? "noload" : format == ImageFormat::Xfs ? "norecovery" : "";
}

} // namespace

std::string_view name_of(ImageFormat format) {
    switch (format) {
    case ImageFormat::Squashfs:
        return "squashfs";
    case ImageFormat::Erofs:
        return "erofs";
    case ImageFormat::Ext4:
        return "ext4";
    case ImageFormat::Xfs:
        return "xfs";
    case ImageFormat::Btrfs:
        return "btrfs";
    case ImageFormat::Tar:
        return "tar";
    }
    return "";
}

Result<ImageFormat> identify_image(std::string_view head) {
    for (const auto& magic : magics()) {
        if (head.size() < magic.at + magic.bytes.size() ||
            head.substr(magic.at, magic.bytes.size()) != magic.bytes)
            continue;
        if (magic.format)
            return *magic.format;
        bool is_disk = magic.instead.ends_with("disk");
        return fail(Code::Unsupported, fmt::format("the image is {}", magic.instead),
                    std::string(is_disk ? as_raw : not_packed));
    }
    auto text = to_lower(head.substr(0, 256));
    if (text.find("<html") != std::string::npos || text.find("<!doctype") != std::string::npos)
        return fail(Code::Unsupported, "what the server sent is a web page",
                    "look at the address in a browser: it may be a page about the image");
    return fail(Code::Unsupported, "the image has no format that is known here",
                std::string(not_packed));
}

Result<ImageRoot> ImageRoot::open(sys::BorrowedFd file, ImageFormat format,
                                  const std::string& directory) {
    ImageRoot root;
    SLIPWAY_CHECK(format == ImageFormat::Tar ? root.unpack(file, directory)
                                             : root.mount_file(file, format, directory));
    return root;
}

Status ImageRoot::mount_file(sys::BorrowedFd file, ImageFormat format,
                             const std::string& directory) {
    SLIPWAY_TRY(auto loop, sys::LoopDevice::attach(file, {.read_only = true, .direct_io = false}));
    loop_ = std::make_unique<sys::LoopDevice>(std::move(loop));
    auto lower = directory + "/image", memory = directory + "/memory";
    root_ = directory + "/root";
    for (const auto& made : {lower, memory, root_})
        if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST)
            return fail_errno(fmt::format("making {}", made));
    auto mount = [this](const sys::MountSpec& spec) -> Status {
        SLIPWAY_CHECK(sys::mount(spec));
        mounts_.push_back(spec.target);
        return {};
    };
    SLIPWAY_CHECK(mount({.source = "/dev/" + loop_->disk().name(),
                         .target = lower,
                         .type = std::string(name_of(format)),
                         .flags = MS_RDONLY,
                         .options = options_of(format)}));
    SLIPWAY_CHECK(mount({.source = "slipway-target", .target = memory, .type = "tmpfs"}));
    for (const auto& made : {memory + "/upper", memory + "/work"})
        if (::mkdir(made.c_str(), 0755) != 0)
            return fail_errno(fmt::format("making {}", made));
    return mount({.source = "slipway-target",
                  .target = root_,
                  .type = "overlay",
                  .options = fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", lower,
                                         memory, memory)});
}

Status ImageRoot::unpack(sys::BorrowedFd file, const std::string& directory) {
    root_ = directory + "/root";
    if (::mkdir(root_.c_str(), 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", root_));
    SLIPWAY_CHECK(sys::mount({.source = "slipway-target",
                              .target = root_,
                              .type = "tmpfs",
                              .options = "mode=0755,size=90%"}));
    mounts_.push_back(root_);
    // In a process of its own, whose root it is: names in the archive cannot lead out of it.
    sys::LocalRunner runner;
    sys::ProcessSpec spec{.argv = {"/proc/self/exe", "--unpack", root_}};
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

Status ImageRoot::close() {
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

ImageRoot::~ImageRoot() {
    [[maybe_unused]] auto closed = close();
}

Result<std::string> find_init(const std::string& root) {
    SLIPWAY_TRY(auto directory, sys::RootDir::open(root));
    for (const auto* init : inits) {
        auto file = directory.open_path(sys::GuestPath(init), O_RDONLY);
        struct stat info {};
        if (!file || ::fstat(file->raw(), &info) != 0 || !S_ISREG(info.st_mode) ||
            (info.st_mode & 0111) == 0)
            continue;
        Elf64_Ehdr header{};
        auto bytes = std::as_writable_bytes(std::span(&header, 1));
        utsname kernel{};
        ::uname(&kernel);
        auto own = elf_machine_of(kernel.machine);
        // A script is taken for what it is: its interpreter tells when it starts.
        if (sys::read_exactly_at(*file, bytes, 0) &&
            std::equal(std::begin(header.e_ident), std::begin(header.e_ident) + SELFMAG, ELFMAG) &&
            own && header.e_machine != *own && !(*own == EM_X86_64 && header.e_machine == EM_386))
            return fail(Code::Unsupported,
                        fmt::format("the image is for {}, and this machine is {}",
                                    name_of_machine(header.e_machine), kernel.machine));
        return std::string(init);
    }
    return fail(Code::NotFound, "the image has no init",
                "it must hold a whole system: one of /sbin/init and /usr/lib/systemd/systemd");
}

} // namespace slipway::boot
