// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_module.hpp"

#include <memory>

#include <libkmod.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::sys {
namespace {

struct Release {
    void operator()(kmod_ctx* context) const { kmod_unref(context); }
    void operator()(kmod_list* list) const { kmod_module_unref_list(list); }
    void operator()(kmod_module* module) const { kmod_module_unref(module); }
};

} // namespace

std::string module_directory() {
    utsname names{};
    ::uname(&names);
    for (const auto* place : {"/lib/modules", "/usr/lib/uml/modules"}) {
        auto path = fmt::format("{}/{}", place, names.release);
        if (::access(path.c_str(), X_OK) == 0)
            return path;
    }
    return {};
}

Status load_module(const std::string& name) {
    auto directory = module_directory();
    if (directory.empty())
        return fail(Code::NotFound, "this kernel has no modules");
    const char* no_configuration = nullptr;
    std::unique_ptr<kmod_ctx, Release> context(kmod_new(directory.c_str(), &no_configuration));
    if (context == nullptr)
        return fail(Code::Internal, "starting to load a kernel module");
    kmod_list* raw = nullptr;
    if (int error = kmod_module_new_from_lookup(context.get(), name.c_str(), &raw); error < 0)
        return fail_errno(fmt::format("looking for the kernel module {}", name), -error);
    std::unique_ptr<kmod_list, Release> found(raw);
    if (found == nullptr)
        return fail(Code::NotFound, fmt::format("this kernel has no module {}", name));
    kmod_list* entry = nullptr;
    kmod_list_foreach(entry, found.get()) {
        std::unique_ptr<kmod_module, Release> module(kmod_module_get_module(entry));
        int error = kmod_module_probe_insert_module(module.get(), KMOD_PROBE_IGNORE_LOADED, nullptr,
                                                    nullptr, nullptr, nullptr);
        if (error < 0)
            return fail_errno(fmt::format("loading the kernel module {}", name), -error);
    }
    return {};
}

} // namespace slipway::sys
