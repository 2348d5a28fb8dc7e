// SPDX-License-Identifier: Apache-2.0
#include "enter/script.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::enter {
namespace {

constexpr unsigned long read_only_flags =
    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

int errno_of(int result) {
    return result == 0 ? 0 : errno;
}

int make_read_only(const char* path) {
    if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0)
        return errno;
    return errno_of(::mount(nullptr, path, nullptr, read_only_flags, nullptr));
}

int make_file(const Step& step) {
    int fd = ::open(step.target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    step.mode);
    if (fd < 0)
        return errno;
    auto written = ::write(fd, step.source.data(), step.source.size());
    int error = written < 0 ? errno : 0;
    ::close(fd);
    return error;
}

int make_directory(const Step& step) {
    // An explicit chmod, because mkdir(2) leaves out the sticky bit and what the umask says.
    if (::mkdir(step.target.c_str(), 0700) != 0)
        return errno == EEXIST ? 0 : errno;
    return errno_of(::chmod(step.target.c_str(), step.mode));
}

} // namespace

int perform(const Step& step) {
    const char* target = step.target.c_str();
    const char* source = step.source.c_str();
    switch (step.kind) {
    case StepKind::Mount:
        return errno_of(::mount(source, target, source, step.flags, step.options.c_str()));
    case StepKind::Bind:
        return errno_of(::mount(source, target, nullptr, MS_BIND, nullptr));
    case StepKind::ReadOnly:
        return make_read_only(target);
    case StepKind::Node:
        return errno_of(::mknod(target, step.mode, step.device));
    case StepKind::Directory:
        return make_directory(step);
    case StepKind::Link:
        return errno_of(::symlink(source, target));
    case StepKind::File:
        return make_file(step);
    }
    return EINVAL;
}

std::string describe(const Step& step) {
    switch (step.kind) {
    case StepKind::Mount:
        return fmt::format("mounting {} at {}", step.source, step.target);
    case StepKind::Bind:
        return fmt::format("covering {} with our {}", step.target, step.source);
    case StepKind::ReadOnly:
        return fmt::format("making {} read-only", step.target);
    case StepKind::Node:
        return fmt::format("making the node {} ({} {}:{})", step.target,
                           S_ISBLK(step.mode) ? "block" : "char", major(step.device),
                           minor(step.device));
    case StepKind::Directory:
        return fmt::format("making the directory {}", step.target);
    case StepKind::Link:
        return fmt::format("making the link {} -> {}", step.target, step.source);
    case StepKind::File:
        return fmt::format("making the file {}", step.target);
    }
    return "an unknown step";
}

} // namespace slipway::enter
