// SPDX-License-Identifier: Apache-2.0
// A root as one file: tar, squashfs, erofs, or ext4 in a qcow2 image. The same tree gives the same
// bytes.
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/qemu_img.hpp"
#include "ops/rootfs_steps.hpp"
#include "rootfs/task.hpp"

namespace slipway::ops {
namespace {

constexpr int file_number = 20; // of the file in the tool
constexpr std::chrono::hours deadline{2};

Status run_tool(const sys::Host& host, std::vector<std::string> argv, sys::BorrowedFd file,
                long snapshot, const char* package) {
    sys::ProcessSpec spec{.argv = std::move(argv),
                          // mkfs.ext4 knows the first since 1.47.1, and the second for long.
                          .env = {fmt::format("SOURCE_DATE_EPOCH={}", snapshot),
                                  fmt::format("E2FSPROGS_FAKE_TIME={}", snapshot)},
                          .fds = {{file, file_number}}};
    auto captured = sys::run(*host.runner, spec, {.deadline = deadline, .cancel = host.cancel});
    if (!captured && captured.error().code == Code::NotFound)
        return fail(Code::Unsupported, captured.error().what,
                    fmt::format("apt install {}", package));
    if (!captured)
        return fail(std::move(captured).error());
    auto checked = sys::check_tool(spec, *captured, "writing the image of a root");
    auto said = captured->out + captured->err;
    if (!checked && (said.find("No space left") != std::string::npos ||
                     said.find("File too large") != std::string::npos)) {
        checked.error().code = Code::NoSpace;
        checked.error().hint = "make room there, or choose another place";
    }
    return checked;
}

// A UUID of its own for every layer, and the same one for the same.
std::string uuid_from(const std::string& key) {
    return fmt::format("{}-{}-{}-{}-{}", key.substr(0, 8), key.substr(8, 4), key.substr(12, 4),
                       key.substr(16, 4), key.substr(20, 12));
}

Status write_squashfs(const sys::Host& host, const ImageWish& wish, sys::BorrowedFd file) {
    return run_tool(host,
                    {"mksquashfs", wish.tree, sys::proc_path(file_number), "-noappend",
                     "-no-progress", "-comp", "zstd", "-reproducible"},
                    file, wish.snapshot, "squashfs-tools");
}

Status write_erofs(const sys::Host& host, const ImageWish& wish, sys::BorrowedFd file) {
    return run_tool(host,
                    {"mkfs.erofs", "--quiet", "-zlz4", fmt::format("-T{}", wish.snapshot),
                     fmt::format("-U{}", uuid_from(wish.key)), sys::proc_path(file_number),
                     wish.tree},
                    file, wish.snapshot, "erofs-utils");
}

// ext4 in a sparse file first. There is as much room as the root takes, and 2 GiB more.
Status write_qcow2(const sys::Host& host, const ImageWish& wish, sys::BorrowedFd file) {
    constexpr std::uint64_t spare = std::uint64_t{2} << 30, mebibyte = 1 << 20;
    auto size = (wish.size * 2 + spare) / mebibyte * mebibyte;
    SLIPWAY_TRY(auto raw, sys::make_scratch_file(std::string(dirname_of(wish.path))));
    if (::ftruncate(raw.raw(), static_cast<off_t>(size)) != 0)
        return fail_errno("making a sparse file");
    auto uuid = uuid_from(wish.key);
    SLIPWAY_CHECK(
        run_tool(host,
                 {"mkfs.ext4", "-q", "-F", "-d", wish.tree, "-L", "slipway-root", "-U", uuid, "-E",
                  fmt::format("hash_seed={},lazy_itable_init=0,lazy_journal_init=0", uuid),
                  sys::proc_path(file_number)},
                 raw, wish.snapshot, "e2fsprogs"));
    image::BlockGraph graph;
    graph.node = {{"driver", "raw"},
                  {"read-only", true},
                  {"file",
                   {{"driver", "file"},
                    {"filename", sys::proc_path(file_number)},
                    {"read-only", true},
                    {"locking", "off"}}}};
    graph.fds = {{raw, file_number}};
    graph.read_fds = {file_number};
    return image::convert(host, graph, file, {.format = image::Format::Qcow2});
}

} // namespace

Status write_root_image(const sys::Host& host, const ImageWish& wish, sys::BorrowedFd file) {
    switch (wish.format) {
    case RootFormat::Directory:
        return fail(Code::Internal, "a directory is no image of a root");
    case RootFormat::Tar:
        return rootfs::pack_by_worker(host, wish.tree, "", file);
    case RootFormat::Squashfs:
        return write_squashfs(host, wish, file);
    case RootFormat::Erofs:
        return write_erofs(host, wish, file);
    case RootFormat::Qcow2:
        return write_qcow2(host, wish, file);
    }
    return {};
}

Status write_root_image(const sys::Host& host, const ImageWish& wish) {
    SLIPWAY_TRY(auto file, sys::OutputFile::create(wish.path, {.replace = wish.replace}));
    if (auto written = write_root_image(host, wish, file.fd()); !written)
        return fail(std::move(written.error()).in(wish.path));
    return file.publish();
}

} // namespace slipway::ops
