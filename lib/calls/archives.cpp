// SPDX-License-Identifier: Apache-2.0
// Calls that pack and unpack: tar, cpio, compressed and encoded files, initramfs images.
#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "archive/compress.hpp"
#include "archive/cpio_stream.hpp"
#include "archive/initramfs_reader.hpp"
#include "archive/pack.hpp"
#include "base/strings.hpp"
#include "calls/base64.hpp"
#include "calls/files.hpp"
#include "work/unpacker.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

constexpr std::size_t largest_member = 256 << 20;

Result<sys::OwnedFd> open_directory(Machine& machine, const GuestPath& path) {
    return open_file(machine, path, O_RDONLY | O_DIRECTORY);
}

Status unpack_tar(Machine& machine, const GuestPath& path, const archive::UnpackOptions& options,
                  const Input& input) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto directory, open_directory(machine, path));
    SLIPWAY_TRY(auto unpacking,
                work::Unpacking::start(machine.host, root.fd(), directory, options));
    auto sent = input.each([&](std::string_view bytes) { return unpacking.write(bytes); });
    if (!sent && sent.error().errno_value != EPIPE)
        return sent;
    SLIPWAY_TRY(auto unpacked, unpacking.finish());
    if (unpacked.incomplete > 0)
        return fail(Code::ToolFailed,
                    fmt::format("{} entries could not be unpacked as they are: {}",
                                unpacked.incomplete, join(unpacked.examples, "; ")));
    return {};
}

Status tar_in(Machine& machine, const GuestPath& directory,
              const std::optional<std::string>& compression, std::optional<bool> xattrs,
              std::optional<bool> selinux, std::optional<bool> acls, const Input& input) {
    return unpack_tar(machine, directory,
                      {.below = true,
                       .compression = compression.value_or("none"),
                       .xattrs = xattrs.value_or(false),
                       .acls = acls.value_or(false),
                       .selinux = selinux.value_or(false)},
                      input);
}
Status tgz_in(Machine& machine, const GuestPath& directory, const Input& input) {
    return tar_in(machine, directory, "gzip", {}, {}, {}, input);
}
Status txz_in(Machine& machine, const GuestPath& directory, const Input& input) {
    return tar_in(machine, directory, "xz", {}, {}, {}, input);
}

Status tar_out(Machine& machine, const GuestPath& path,
               const std::optional<std::string>& compression, std::optional<bool> numeric,
               const std::optional<Strings>& excludes, std::optional<bool> xattrs,
               std::optional<bool> selinux, std::optional<bool> acls, const Output& output) {
    SLIPWAY_TRY(auto directory, open_directory(machine, path));
    auto packed = archive::pack_directory(
        directory, [&](std::string_view bytes) { return output.send(bytes); },
        {.compression = compression.value_or(""),
         .excludes = excludes.value_or(Strings{}),
         .xattrs = xattrs.value_or(false),
         .acls = acls.value_or(false),
         .selinux = selinux.value_or(false),
         .root_by_name = !numeric.value_or(false)});
    return packed ? Status{} : Status(fail(std::move(packed).error()));
}
Status tgz_out(Machine& machine, const GuestPath& directory, const Output& output) {
    return tar_out(machine, directory, "gzip", {}, {}, {}, {}, {}, output);
}
Status txz_out(Machine& machine, const GuestPath& directory, const Output& output) {
    return tar_out(machine, directory, "xz", {}, {}, {}, {}, {}, output);
}

Status cpio_out(Machine& machine, const GuestPath& path, const std::optional<std::string>& format,
                const Output& output) {
    auto name = format.value_or("newc");
    if (name != "newc" && name != "crc")
        return fail(Code::InvalidArgument, fmt::format("'{}' is no format", printable(name)),
                    "use newc or crc");
    SLIPWAY_TRY(auto directory, open_directory(machine, path));
    return archive::pack_cpio(directory, name == "crc",
                              [&](std::string_view bytes) { return output.send(bytes); });
}

Status compress(Machine& machine, const FileOrDevice& place, const std::string& type,
                std::optional<std::int64_t> level, const Output& output) {
    archive::CompressOptions options{.type = type};
    if (level) // out of range is refused there
        options.level = static_cast<int>(std::clamp<std::int64_t>(*level, -1, 100));
    SLIPWAY_TRY(auto file, open_content(machine, place, O_RDONLY));
    struct stat info {};
    if (::fstat(file.raw(), &info) == 0 && S_ISDIR(info.st_mode))
        return fail_errno(place.name, EISDIR);
    if (!place.is_device) {
        options.name = basename_of(place.name);
        options.time = info.st_mtime;
    }
    SLIPWAY_TRY(auto compressor, archive::Compressor::open(options, [&](std::string_view bytes) {
                    return output.send(bytes);
                }));
    SLIPWAY_CHECK(each_piece(content_of(machine.host.cancel, file, place.name),
                             [&](std::string_view piece) { return compressor->write(piece); }));
    return compressor->finish();
}
Status compress_out(Machine& machine, const std::string& type, const GuestPath& path,
                    std::optional<std::int64_t> level, const Output& output) {
    return compress(machine, {path.str()}, type, level, output);
}
Status compress_device_out(Machine& machine, const std::string& type, const Device& device,
                           std::optional<std::int64_t> level, const Output& output) {
    return compress(machine, {device.name, true}, type, level, output);
}

Status base64_in(Machine& machine, const GuestPath& path, const Input& input) {
    SLIPWAY_TRY(auto file, open_file(machine, path, O_WRONLY | O_CREAT | O_TRUNC));
    Base64Decoder decoder;
    auto put = [&](const std::string& bytes) -> Status {
        auto written = sys::write_all(file, bytes);
        return written ? Status{} : Status(fail(std::move(written.error()).in(path.str())));
    };
    SLIPWAY_CHECK(input.each([&](std::string_view text) -> Status {
        SLIPWAY_TRY(auto bytes, decoder.add(text));
        return put(bytes);
    }));
    return decoder.finish();
}

Status base64_out(Machine& machine, const GuestPath& path, const Output& output) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Base64Encoder encoder;
    SLIPWAY_CHECK(
        each_piece(content_of(machine.host.cancel, file, path.str()),
                   [&](std::string_view piece) { return output.send(encoder.add(piece)); }));
    auto rest = encoder.finish();
    return rest.empty() ? Status{} : output.send(rest);
}

Result<Strings> initrd_list(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Strings names;
    SLIPWAY_TRY([[maybe_unused]] auto layout,
                archive::read_initramfs(file, [&](const auto& entry, auto&) -> Status {
                    names.push_back(entry.path.empty() ? "." : entry.path);
                    return {};
                }));
    return names;
}

Status initrd_cat(Machine& machine, const GuestPath& path, const std::string& name,
                  const Output& output) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    std::optional<std::string> content; // the last one counts, as for the kernel
    auto keep = [&](const archive::InitramfsEntry& entry, archive::EntryContent& found) -> Status {
        if (entry.path == name && S_ISREG(entry.mode)) {
            SLIPWAY_TRY(content, found.read(largest_member));
        }
        return {};
    };
    SLIPWAY_TRY([[maybe_unused]] auto layout, archive::read_initramfs(file, keep));
    if (!content)
        return fail_errno(fmt::format("{}: {}", path.str(), printable(name)), ENOENT);
    return output.send(*content);
}

} // namespace

Calls archives_calls() {
    static constexpr Call calls[] = {
        {"tar_in", bind<tar_in>},
        {"tgz_in", bind<tgz_in>},
        {"txz_in", bind<txz_in>},
        {"tar_out", bind<tar_out>},
        {"tgz_out", bind<tgz_out>},
        {"txz_out", bind<txz_out>},
        {"cpio_out", bind<cpio_out>},
        {"compress_out", bind<compress_out>},
        {"compress_device_out", bind<compress_device_out>},
        {"base64_in", bind<base64_in>},
        {"base64_out", bind<base64_out>},
        {"initrd_list", bind<initrd_list>},
        {"initrd_cat", bind<initrd_cat>},
    };
    return calls;
}

} // namespace slipway::calls
