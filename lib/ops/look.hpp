// SPDX-License-Identifier: Apache-2.0
// inspect, ls, cat, get, put and run: short operations on one session.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/open_image.hpp"
#include "report/inventory.hpp"
#include "report/plan.hpp"

namespace slipway::ops {

struct InspectRequest {
    bool deep = false;     ///< also what is inside each initramfs
    bool packages = false; ///< also what is installed
};
struct Inspection {
    report::Inventory inventory{};
    /// Why there is no system in it: then these are the disks, the volumes, and what keeps any from
    /// being searched.
    std::optional<Error> no_system{};
};
[[nodiscard]] Result<Inspection> inspect(const Context& context, const ImageOptions& image,
                                         const InspectRequest& request);

struct ListedFile {
    std::string name;
    std::string type; ///< "file", "directory", "link", …
};
[[nodiscard]] Result<std::vector<ListedFile>>
list(const Context& context, const ImageOptions& image, const std::string& path);

using Sink = std::function<Status(std::string_view)>;
/// What the sink has taken is void: it comes again from its beginning.
using Restart = std::function<Status()>;
/// Streams a file of the guest to `sink`; returns its size in bytes. Busy: the image was changed
/// meanwhile. Damage that is met on the way is repaired on an overlay where `restart` is given.
[[nodiscard]] Result<std::uint64_t> get(const Context& context, const ImageOptions& image,
                                        const std::string& path, const Sink& sink,
                                        const Restart& restart = {});
/// Streams a directory of the guest, with all below it, as a tar archive to `sink`; returns the
/// number of its entries. InvalidArgument: it is no directory. Otherwise as `get`.
[[nodiscard]] Result<std::uint64_t> get_tree(const Context& context, const ImageOptions& image,
                                             const std::string& path, const Sink& sink,
                                             const Restart& restart = {});
/// Writes `input`, up to its end, as a file of the guest, in place and crash-safe as `fix`.
struct PutRequest {
    std::string path;
    unsigned mode = 0644;
};
[[nodiscard]] Status put(const Context& context, const ImageOptions& image,
                         const PutRequest& request, sys::BorrowedFd input);

/// The guest's files for as long as somebody works with them: its root is mounted, with `write` for
/// writing, and `work` asks for calls about files by OpenImage::call, see calls::OpenedFiles. Once
/// `work` has ended without an error, what it wrote goes into the image as with `put`, also where
/// `work` ended because of a request to stop. Damage is repaired on an overlay, before `work`.
using FileWork = std::function<Status(OpenImage&)>;
[[nodiscard]] Status use_files(const Context& context, const ImageOptions& image, bool write,
                               const FileWork& work);

struct RunRequest {
    std::vector<std::string> argv;
    std::vector<std::string> env{};
    std::string cwd = "/";
    bool write = false; ///< keep the changes; otherwise they go to an overlay that is dropped
    bool network = false;
    bool tty = false;
    unsigned rows = 0, columns = 0; ///< of the terminal
    std::chrono::milliseconds deadline{0};
};
struct RunResult {
    int status = 0;
    int exec_errno = 0; ///< why the guest's program was not executed (status 126 or 127)
    bool timed_out = false;
    report::EnterTimings timings{};
};
[[nodiscard]] Result<RunResult> run(const Context& context, const ImageOptions& image,
                                    const RunRequest& request, const session::CallHooks& hooks);

} // namespace slipway::ops
