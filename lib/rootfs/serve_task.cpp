// SPDX-License-Identifier: Apache-2.0
// The worker's side of the tasks. Its working directory is the root.
#include <array>
#include <clocale>
#include <csignal>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/pack.hpp"
#include "rootfs/task.hpp"
#include "rootfs/tree_copy.hpp"
#include "sys/mount.hpp"

namespace slipway::rootfs {
namespace {

constexpr int output_number = 4;

Result<Json> do_task(std::string_view task, const Json& arguments) {
    SLIPWAY_TRY(auto root, sys::RootDir::open("."));
    if (task == "tidy") {
        SLIPWAY_CHECK(tidy(root, json_get<std::string>(arguments, "archive")));
        return Json::object();
    }
    if (task == "apply") {
        SLIPWAY_CHECK(apply_profile(root, profile_from_json(json_at(arguments, "profile")),
                                    json_get<long>(arguments, "snapshot")));
        return Json::object();
    }
    if (task == "finish") {
        SLIPWAY_TRY(auto manifest, manifest_from_json(json_at(arguments, "manifest")));
        SLIPWAY_TRY(auto finished, finish(root, std::move(manifest)));
        return Json{{"manifest", to_json(finished)}};
    }
    if (task == "look")
        return Json{{"facts", to_json(look(root))}};
    if (task == "copy") {
        auto to = json_get<std::string>(arguments, "to");
        if (::mkdir(to.c_str(), 0700) != 0)
            return fail_errno(fmt::format("making {}", to));
        SLIPWAY_TRY(auto target, sys::open_file(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        SLIPWAY_CHECK(copy_tree(root.fd(), target));
        return Json::object();
    }
    if (task == "pack") {
        auto sink = [](std::string_view bytes) {
            return sys::write_all(sys::BorrowedFd(output_number), bytes);
        };
        SLIPWAY_TRY(
            auto entries,
            archive::pack_directory(root.fd(), sink,
                                    {.compression = json_get<std::string>(arguments, "compression"),
                                     .privileged = json_get<bool>(arguments, "privileged")}));
        return Json{{"entries", entries}};
    }
    return fail(Code::Protocol, fmt::format("'{}' is no task", task));
}

// What programs expect to find. The root is as it came from its packages: nobody hostile has
// written in it yet, so that its directories may be named.
Status mount_for_commands() {
    SLIPWAY_CHECK(
        sys::mount({.source = "", .target = "/", .type = "", .flags = MS_REC | MS_PRIVATE}));
    constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    SLIPWAY_CHECK(sys::mount({.source = "proc", .target = "proc", .type = "proc", .flags = flags}));
    SLIPWAY_CHECK(sys::mount({.source = "tmpfs",
                              .target = "dev",
                              .type = "tmpfs",
                              .flags = MS_NOSUID,
                              .options = "mode=0755,size=1m"}));
    for (const std::string node : {"null", "zero", "full", "random", "urandom", "tty"}) {
        SLIPWAY_TRY(auto place, sys::open_file("dev/" + node, O_CREAT | O_WRONLY, 0666));
        SLIPWAY_CHECK(sys::bind_mount("/dev/" + node, "dev/" + node));
    }
    for (const auto* directory : {"run", "tmp"})
        SLIPWAY_CHECK(sys::mount({.source = "tmpfs",
                                  .target = directory,
                                  .type = "tmpfs",
                                  .flags = MS_NOSUID | MS_NODEV,
                                  .options = "mode=0755"}));
    if (::chmod("tmp", 01777) != 0 || ::symlink("/proc/self/fd", "dev/fd") != 0)
        return fail_errno("making /tmp and /dev of the root");
    return {};
}

// Becomes the command.
Error become_command(const Json& arguments) {
    if (auto mounted = mount_for_commands(); !mounted)
        return std::move(mounted.error());
    if (::chroot(".") != 0 || ::chdir("/") != 0)
        return os_error("entering the root");
    auto command = json_get<std::string>(arguments, "command");
    auto date = fmt::format("SOURCE_DATE_EPOCH={}", json_get<long>(arguments, "snapshot"));
    std::array<char*, 4> argv{const_cast<char*>("sh"), const_cast<char*>("-c"), command.data(),
                              nullptr};
    std::array<char*, 6> env{
        const_cast<char*>("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        const_cast<char*>("HOME=/root"),
        const_cast<char*>("LC_ALL=C.UTF-8"),
        const_cast<char*>("DEBIAN_FRONTEND=noninteractive"),
        date.data(),
        nullptr};
    int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::execve("/bin/sh", argv.data(), env.data());
    return os_error("starting /bin/sh of the root");
}

} // namespace

int serve_task(const char* task) {
    constexpr std::size_t longest = 32 << 20;
    (void)std::setlocale(LC_CTYPE, "C.UTF-8"); // libarchive gives up on other names without it
    (void)::signal(SIGPIPE, SIG_IGN);
    auto input = sys::read_all(sys::BorrowedFd(0), longest);
    auto arguments =
        input ? parse_json(*input, "the task") : Result<Json>(fail(std::move(input).error()));
    if (arguments && std::string_view(task) == "command") {
        auto error = become_command(*arguments);
        (void)sys::write_all(sys::BorrowedFd(2), render_text(error) + "\n");
        return 126;
    }
    auto done =
        arguments ? do_task(task, *arguments) : Result<Json>(fail(std::move(arguments).error()));
    auto answer = done ? *done : Json{{"error", error_to_json(done.error())}};
    return sys::write_all(sys::BorrowedFd(1), render_json(answer)) ? 0 : 1;
}

} // namespace slipway::rootfs
