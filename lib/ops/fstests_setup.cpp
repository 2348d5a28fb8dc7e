// SPDX-License-Identifier: Apache-2.0
// What this machine has of what fstests needs: to be built here, and to run in a root.
#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/fstests.hpp"
#include "ops/fstests_suite.hpp"

namespace slipway::ops {
namespace {

struct Wanted {
    const char* what;
    const char* package;
};

// As the configure script and the README of fstests ask for them.
constexpr std::array build_programs{Wanted{"make", "make"},
                                    Wanted{"gcc", "gcc"},
                                    Wanted{"autoconf", "autoconf"},
                                    Wanted{"automake", "automake"},
                                    Wanted{"libtoolize", "libtool"},
                                    Wanted{"libtool", "libtool-bin"},
                                    Wanted{"pkg-config", "pkg-config"},
                                    Wanted{"msgfmt", "gettext"},
                                    Wanted{"git", "git"}};
constexpr std::array build_headers{
    Wanted{"xfs/xfs.h", "xfslibs-dev"},       Wanted{"uuid/uuid.h", "uuid-dev"},
    Wanted{"sys/acl.h", "libacl1-dev"},       Wanted{"attr/libattr.h", "libattr1-dev"},
    Wanted{"libaio.h", "libaio-dev"},         Wanted{"gdbm.h", "libgdbm-dev"},
    Wanted{"sys/capability.h", "libcap-dev"}, Wanted{"liburing.h", "liburing-dev"},
    Wanted{"linux/fs.h", "linux-libc-dev"}};
// Programs of this host that machines and roots need.
constexpr std::array run_programs{Wanted{"mmdebstrap", "mmdebstrap"},
                                  Wanted{"newuidmap", "uidmap"}};

SetupNeed program(const Wanted& wanted, const char* purpose) {
    auto found = sys::find_program(wanted.what);
    return {.what = wanted.what,
            .purpose = purpose,
            .there = found.has_value(),
            .found = found ? *found : "",
            .package = wanted.package};
}

SetupNeed header(const Wanted& wanted) {
    SetupNeed need{.what = fmt::format("header {}", wanted.what),
                   .purpose = "build",
                   .package = wanted.package};
    // Debian keeps some below the name of the architecture.
    for (const auto* folder :
         {"/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"})
        if (auto path = fmt::format("{}/{}", folder, wanted.what);
            !need.there && ::access(path.c_str(), R_OK) == 0) {
            need.there = true;
            need.found = path;
        }
    return need;
}

// A machine comes from either of them.
SetupNeed machine() {
    SetupNeed need{.what = "a virtual machine: linux.uml or qemu-system-x86_64",
                   .purpose = "run",
                   .package = "qemu-system-x86"};
    for (const auto* name : {"linux.uml", "qemu-system-x86_64"})
        if (auto found = sys::find_program(name); found && !need.there) {
            need.there = true;
            need.found = *found;
        }
    return need;
}

SetupNeed built(const std::string& directory, const char* path) {
    auto file = fmt::format("{}/{}", directory, path);
    return {.what = fmt::format("built: {}", path),
            .purpose = "run",
            .there = ::access(file.c_str(), X_OK) == 0,
            .found = file};
}

// Whether what was built there starts here: a suite that was built elsewhere may want another C
// library, and then fails in the root as well.
SetupNeed starts(const Context& context, const std::string& directory) {
    auto path = fmt::format("{}/ltp/fsstress", directory);
    SetupNeed need{.what = "ltp/fsstress starts here", .purpose = "run", .found = path};
    sys::ProcessSpec spec{.argv = {path, "-?"}};
    auto ran = sys::run(*context.host.runner, spec, {.deadline = std::chrono::seconds(10)});
    // It says how it is used, whatever its status; a library that is missing makes it 127.
    need.there = ran && ran->status != 127 && ran->status != 126;
    if (!need.there)
        need.found = ran ? printable(trim(ran->err)) : render_line(ran.error());
    return need;
}

void look_at_suite(const Context& context, const std::string& directory, FstestsSetup& setup) {
    auto suite = find_suite(directory);
    setup.needs.push_back({.what = fmt::format("fstests in {}", directory),
                           .purpose = "run",
                           .there = suite.has_value(),
                           .found = suite ? *suite : render_line(suite.error())});
    // A suite of scripts alone has nothing to build.
    if (!suite || ::access((*suite + "/ltp").c_str(), R_OK) != 0)
        return;
    bool all = true;
    for (const auto* path : {"ltp/fsstress", "ltp/fsx", "src/af_unix", "src/feature"}) {
        setup.needs.push_back(built(*suite, path));
        all = all && setup.needs.back().there;
    }
    if (all)
        setup.needs.push_back(starts(context, *suite));
    else
        setup.steps.push_back(fmt::format("make -C {}", *suite));
}

} // namespace

bool FstestsSetup::is_ready() const {
    return std::all_of(needs.begin(), needs.end(), [](const auto& need) { return need.there; });
}

Result<FstestsSetup> fstests_setup(const Context& context, const std::string& fstests) {
    FstestsSetup setup;
    for (const auto& wanted : build_programs)
        setup.needs.push_back(program(wanted, "build"));
    for (const auto& wanted : build_headers)
        setup.needs.push_back(header(wanted));
    for (const auto& wanted : run_programs)
        setup.needs.push_back(program(wanted, "run"));
    setup.needs.push_back(machine());
    if (!fstests.empty())
        look_at_suite(context, fstests, setup);
    std::set<std::string> packages;
    for (const auto& need : setup.needs)
        if (!need.there && !need.package.empty())
            packages.insert(need.package);
    if (!packages.empty())
        setup.command = fmt::format("apt-get install {}",
                                    join(std::vector(packages.begin(), packages.end()), " "));
    return setup;
}

Json to_json(const FstestsSetup& setup) {
    auto needs = Json::array();
    for (const auto& need : setup.needs)
        needs.push_back({{"what", need.what},
                         {"purpose", need.purpose},
                         {"there", need.there},
                         {"found", need.found},
                         {"package", need.package}});
    return {{"schema", "slipway.fstests-setup.v1"},
            {"ready", setup.is_ready()},
            {"needs", needs},
            {"command", setup.command},
            {"steps", setup.steps}};
}

std::string render_text(const FstestsSetup& setup) {
    std::string text;
    for (const auto& need : setup.needs)
        text += fmt::format("{} {:<6} {:<42} {}\n", need.there ? "✓" : "✗", need.purpose, need.what,
                            need.there || need.package.empty()
                                ? need.found
                                : fmt::format("package {}", need.package));
    if (setup.is_ready())
        return text + "nothing is missing\n";
    if (!setup.command.empty())
        text += fmt::format("to get it: {}\n", setup.command);
    for (const auto& step : setup.steps)
        text += fmt::format("then: {}\n", step);
    return text;
}

} // namespace slipway::ops
