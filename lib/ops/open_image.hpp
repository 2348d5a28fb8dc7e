// SPDX-License-Identifier: Apache-2.0
// Opens the image of an operation: journal, source, overlay, session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/qemu_img.hpp"
#include "image/source.hpp"
#include "ops/sandbox_options.hpp"
#include "session/client.hpp"
#include "storage/stack.hpp"
#include "sys/host.hpp"

namespace slipway::ops {

/// What every operation works with. The runner's supervisor ends everything with us.
struct Context {
    sys::Host host;                              ///< its runner is `runner`
    session::SupervisedRunner* runner = nullptr; ///< borrowed
};

/// What every verb lets the user say about an image.
struct ImageOptions {
    std::string path;
    std::vector<std::string> further_disks{}; ///< --disk: images of the same machine's other disks
    std::optional<image::Format> format{};    ///< --source-format
    bool allow_backing = false;
    std::string root{};          ///< --root VOLUME, "" to find it
    std::string engine = "auto"; ///< "auto", "host", "sandbox"
    bool untrusted = false;
    /// --key; shared, because secrets are not copied.
    std::shared_ptr<const std::vector<storage::Key>> keys{};
    SandboxOptions sandbox{};
};

/// Where files without a name are made: TMPDIR or /var/tmp.
[[nodiscard]] std::string scratch_directory();

/// What an operation does with the image.
enum class Use {
    Look,    ///< nothing is written
    Discard, ///< written to an overlay that is dropped
    Keep, ///< written to an overlay that the operation will use; the image itself may change later
};

struct OpenRequest {
    Use use = Use::Look;
    image::Access access = image::Access::Read;
    bool in_place = false;                      ///< open the image's files for writing too
    std::string scratch_dir{};                  ///< of the overlay; "": TMPDIR or /var/tmp
    std::uint64_t grow_by = 0;                  ///< bytes added to the disk in the overlay
    std::optional<sys::OwnedFd> overlay_file{}; ///< instead of a scratch file
    bool any_kind = false;                      ///< archives and directories too
};

struct OpenDisk {
    std::unique_ptr<image::Source> source;
    std::optional<image::Overlay> overlay;
    std::uint64_t size = 0; ///< bytes, grown

    /// The disk as it is now: the overlay over the source, or the source.
    [[nodiscard]] image::BlockGraph graph(bool writable = false) const;
    /// The number after the last one that the graph uses in children.
    [[nodiscard]] int next_fd() const { return source->next_fd() + (overlay ? 1 : 0); }
};

/// An image, which is its first disk, with its session. Closing flushes; the destructor drops
/// everything.
struct OpenImage : OpenDisk {
    sys::Host host{};
    std::vector<OpenDisk> further_disks{};
    sys::OwnedFd scratch{}; ///< where an archive is unpacked, if it is one
    Use use = Use::Look;
    std::unique_ptr<session::Session> session;
    bool raid6 = false;        ///< the sandbox needs that code
    bool needs_qemu = false;   ///< no User-mode Linux can open it
    std::string engine;        ///< "host" or "sandbox"
    std::string engine_reason; ///< one line for the report

    /// Session::call, with errors that name the image, and its damage where that explains them.
    /// NoSpace where the overlay's disk is full.
    [[nodiscard]] Result<Json> call(const std::string& operation, Json arguments,
                                    const session::CallHooks& hooks = {}) const;
    /// Session::close: all is in the overlay then. NoSpace as above.
    [[nodiscard]] Status close() const;
    /// The directory of the overlay if its filesystem is full, or "". The guest's kernel knows no
    /// more of that than "Input/output error".
    [[nodiscard]] std::string full_scratch() const;

    /// Busy where another program has changed one of its files since it was opened.
    [[nodiscard]] Status check_unchanged() const;
    /// The error of an operation, with the image's name, and its damage where that explains it.
    [[nodiscard]] Error explained(Error error) const;
};

/// Finishes an interrupted `fix` first, then opens and locks. The errors of Source::open,
/// Permission without root, Unsupported for the engine that was asked for, and for further disks
/// that are to be kept.
[[nodiscard]] Result<OpenImage> open_image(const Context& context, const ImageOptions& options,
                                           OpenRequest request);
/// The same without a session: source, size and overlay.
[[nodiscard]] Result<OpenImage> open_disk(const Context& context, const ImageOptions& options,
                                          OpenRequest& request);

} // namespace slipway::ops
