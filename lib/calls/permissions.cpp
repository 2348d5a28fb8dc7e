// SPDX-License-Identifier: Apache-2.0
// Calls about access control lists and capabilities of files, in their text forms.
#include <memory>

#include <fcntl.h>

#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/capability.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/files.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

struct FreeAcl {
    void operator()(void* object) const { ::acl_free(object); }
};
struct FreeCapabilities {
    void operator()(void* object) const { ::cap_free(object); }
};
using Acl = std::unique_ptr<std::remove_pointer_t<acl_t>, FreeAcl>;
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCapabilities>;

Result<acl_type_t> type_named(const std::string& name) {
    if (name == "access")
        return ACL_TYPE_ACCESS;
    if (name == "default")
        return ACL_TYPE_DEFAULT;
    return fail(Code::InvalidArgument, fmt::format("'{}' is no type of ACL", printable(name)),
                "use access or default");
}

Result<std::string> acl_get_file(Machine& machine, const GuestPath& path,
                                 const std::string& type_name) {
    SLIPWAY_TRY(auto type, type_named(type_name));
    SLIPWAY_TRY(auto file, open_to_look(machine, path, true));
    Acl acl(::acl_get_file(sys::proc_path(file.raw()).c_str(), type));
    if (!acl)
        return fail_errno(path.str());
    // Names of users would be those of this machine.
    std::unique_ptr<char, FreeAcl> text(
        ::acl_to_any_text(acl.get(), nullptr, '\n', TEXT_NUMERIC_IDS));
    if (!text)
        return fail_errno(path.str());
    std::string lines(text.get());
    return lines.empty() || lines.ends_with('\n') ? lines : lines + '\n';
}

Status acl_set_file(Machine& machine, const GuestPath& path, const std::string& type_name,
                    const std::string& text) {
    SLIPWAY_TRY(auto type, type_named(type_name));
    Acl acl(::acl_from_text(text.c_str()));
    if (!acl)
        return fail_errno(fmt::format("'{}' is no ACL", printable(text)));
    SLIPWAY_TRY(auto file, open_to_look(machine, path, true));
    if (::acl_set_file(sys::proc_path(file.raw()).c_str(), type, acl.get()) != 0)
        return fail_errno(path.str());
    return {};
}

Status acl_delete_def_file(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_to_look(machine, path, true));
    if (::acl_delete_def_file(sys::proc_path(file.raw()).c_str()) != 0)
        return fail_errno(path.str());
    return {};
}

Result<std::string> cap_get_file(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto file, open_file(machine, path));
    Capabilities capabilities(::cap_get_fd(file.raw()));
    if (!capabilities && errno == ENODATA)
        return std::string{};
    if (!capabilities)
        return fail_errno(path.str());
    std::unique_ptr<char, FreeCapabilities> text(::cap_to_text(capabilities.get(), nullptr));
    if (!text)
        return fail_errno(path.str());
    return std::string(text.get());
}

Status cap_set_file(Machine& machine, const GuestPath& path, const std::string& text) {
    Capabilities capabilities(::cap_from_text(text.c_str()));
    if (!capabilities)
        return fail_errno(fmt::format("'{}' are no capabilities", printable(text)));
    SLIPWAY_TRY(auto file, open_file(machine, path));
    if (::cap_set_fd(file.raw(), capabilities.get()) != 0)
        return fail_errno(path.str());
    return {};
}

} // namespace

Calls permission_calls() {
    static constexpr Call calls[] = {
        {"acl_get_file", bind<acl_get_file>},
        {"acl_set_file", bind<acl_set_file>},
        {"acl_delete_def_file", bind<acl_delete_def_file>},
        {"cap_get_file", bind<cap_get_file>},
        {"cap_set_file", bind<cap_set_file>},
    };
    return calls;
}

} // namespace slipway::calls
