// SPDX-License-Identifier: Apache-2.0
#include "sys/output_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/unique_mark.hpp"

namespace slipway::sys {
namespace {

std::string temporary_name(std::string_view name) {
    return fmt::format(".{}.slipway-tmp.{}", name.substr(0, 200), unique_mark());
}

} // namespace

Result<OutputFile> OutputFile::create(const std::string& destination, const Options& options) {
    OutputFile file;
    file.destination_ = std::string(basename_of(destination));
    if (destination.ends_with('/'))
        return fail(Code::InvalidArgument, fmt::format("{} is a directory's name", destination),
                    "give the name of a file");
    file.replace_ = options.replace;
    auto directory = std::string(dirname_of(destination));
    auto opened = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!opened)
        return fail(std::move(opened.error()).in(fmt::format("writing {}", destination)));
    file.directory_ = std::move(*opened);
    struct stat info {};
    bool exists = ::fstatat(file.directory_.raw(), file.destination_.c_str(), &info,
                            AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && !options.replace)
        return fail(Code::Exists, fmt::format("{} exists already", destination),
                    "choose another name, or remove it first");
    // The name is what is replaced: /dev/null or /dev/stdout must stay what they are.
    if (exists && !S_ISREG(info.st_mode))
        return fail(
            Code::Exists,
            fmt::format("{} exists and is no regular file, so it is not replaced", destination),
            "choose another name");
    auto nameless = open_at(file.directory_, ".", O_TMPFILE | O_RDWR, options.mode);
    if (nameless) {
        file.fd_ = std::move(*nameless);
        return file;
    }
    auto code = nameless.error().errno_value;
    if (code != EOPNOTSUPP && code != EISDIR && code != EINVAL)
        return fail(std::move(nameless.error()).in(fmt::format("writing {}", destination)));
    file.temporary_ = temporary_name(file.destination_);
    ::unlinkat(file.directory_.raw(), file.temporary_.c_str(),
               0); // of a dead process with our number
    auto named = open_at(file.directory_, file.temporary_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                         options.mode);
    if (!named) {
        file.temporary_.clear();
        return fail(std::move(named.error()).in(fmt::format("writing {}", destination)));
    }
    file.fd_ = std::move(*named);
    return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : destination_(std::move(other.destination_)), temporary_(std::exchange(other.temporary_, {})),
      replace_(other.replace_), directory_(std::move(other.directory_)), fd_(std::move(other.fd_)) {
}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    std::swap(destination_, other.destination_);
    std::swap(temporary_, other.temporary_);
    std::swap(replace_, other.replace_);
    std::swap(directory_, other.directory_);
    std::swap(fd_, other.fd_);
    return *this;
}

OutputFile::~OutputFile() {
    if (!temporary_.empty())
        ::unlinkat(directory_.raw(), temporary_.c_str(), 0);
}

Status OutputFile::publish() {
    if (::fsync(fd_.raw()) != 0)
        return fail_errno(fmt::format("syncing {}", destination_));
    if (temporary_.empty() && replace_) {
        // linkat(2) cannot replace, so the file gets a passing name first.
        temporary_ = temporary_name(destination_);
        ::unlinkat(directory_.raw(), temporary_.c_str(), 0);
        if (::linkat(AT_FDCWD, proc_path(fd_.raw()).c_str(), directory_.raw(), temporary_.c_str(),
                     AT_SYMLINK_FOLLOW) != 0)
            return fail_errno(fmt::format("naming {}", destination_));
    }
    int result = 0;
    if (temporary_.empty())
        result = ::linkat(AT_FDCWD, proc_path(fd_.raw()).c_str(), directory_.raw(),
                          destination_.c_str(), AT_SYMLINK_FOLLOW);
    else
        result = ::renameat2(directory_.raw(), temporary_.c_str(), directory_.raw(),
                             destination_.c_str(), replace_ ? 0 : RENAME_NOREPLACE);
    if (result != 0)
        return fail_errno(fmt::format("naming {}", destination_));
    temporary_.clear();
    if (::fsync(directory_.raw()) != 0)
        return fail_errno(fmt::format("syncing the directory of {}", destination_));
    return {};
}

Result<OwnedFd> make_scratch_file(const std::string& directory) {
    auto nameless = open_file(directory, O_TMPFILE | O_RDWR, 0600);
    if (nameless)
        return nameless;
    if (auto code = nameless.error().errno_value;
        code != EOPNOTSUPP && code != EISDIR && code != EINVAL)
        return fail(std::move(nameless.error()).in("making a scratch file"));
    auto path = fmt::format("{}/slipway-scratch-XXXXXX", directory);
    OwnedFd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (!fd.valid())
        return fail_errno(fmt::format("making a scratch file in {}", directory));
    ::unlink(path.c_str());
    return fd;
}

} // namespace slipway::sys
