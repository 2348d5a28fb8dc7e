// SPDX-License-Identifier: Apache-2.0
#include "boot/modules.hpp"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t largest_index = 16 << 20;

std::string with_underscores(std::string_view name) {
    std::string same(name);
    std::replace(same.begin(), same.end(), '-', '_');
    return same;
}

// "kernel/net/virtio-net.ko.xz": "virtio_net".
std::string name_of(std::string_view file) {
    auto base = basename_of(file);
    return with_underscores(base.substr(0, base.find(".ko")));
}

std::string read_or_nothing(const std::string& path) {
    return sys::read_file(path, largest_index).value_or("");
}

} // namespace

ModuleIndex::ModuleIndex(std::string_view dep, std::string_view alias, std::string_view builtin) {
    for (auto line : split_lines(dep)) {
        auto colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        Module module{.file = std::string(line.substr(0, colon))};
        for (auto need : split_words(line.substr(colon + 1)))
            module.needs.emplace_back(need);
        modules_[name_of(module.file)] = std::move(module);
    }
    for (auto line : split_lines(alias)) {
        auto words = split_words(line);
        if (words.size() == 3 && words[0] == "alias")
            aliases_.emplace_back(words[1], with_underscores(words[2]));
    }
    for (auto line : split_lines(builtin))
        builtin_.insert(name_of(trim(line)));
}

void ModuleIndex::add_with_needs(const std::string& name, std::vector<std::string>& files) const {
    auto found = modules_.find(name);
    if (found == modules_.end() || builtin_.contains(name))
        return;
    // modules.dep has what is needed first at its end.
    auto wanted = found->second.needs;
    std::reverse(wanted.begin(), wanted.end());
    wanted.push_back(found->second.file);
    for (auto& file : wanted)
        if (std::find(files.begin(), files.end(), file) == files.end())
            files.push_back(std::move(file));
}

std::vector<std::string> ModuleIndex::files_for(std::string_view name_or_alias) const {
    std::vector<std::string> files;
    add_with_needs(with_underscores(name_or_alias), files);
    if (!files.empty())
        return files;
    std::string alias(name_or_alias);
    for (const auto& [pattern, module] : aliases_)
        if (::fnmatch(pattern.c_str(), alias.c_str(), 0) == 0)
            add_with_needs(module, files);
    return files;
}

ModuleLoader ModuleLoader::open(const std::string& top) {
    utsname kernel{};
    ::uname(&kernel);
    ModuleLoader loader;
    loader.directory_ = fmt::format("{}/lib/modules/{}/", top, kernel.release);
    loader.index_ = ModuleIndex(read_or_nothing(loader.directory_ + "modules.dep"),
                                read_or_nothing(loader.directory_ + "modules.alias"),
                                read_or_nothing(loader.directory_ + "modules.builtin"));
    return loader;
}

Status ModuleLoader::load(std::string_view name_or_alias) {
    auto files = index_.files_for(name_or_alias);
    if (files.empty())
        return fail(Code::NotFound,
                    fmt::format("there is no module for {}", printable(name_or_alias)));
    return load_files(files);
}

// All of them, whatever becomes of each: of several that have an alias ("crypto-crc32c") one is
// enough, and one for hardware that is not there (ENODEV) is no fault.
Status ModuleLoader::load_files(const std::vector<std::string>& files) {
    Status first;
    for (const auto& file : files) {
        if (!done_.insert(file).second)
            continue;
        auto opened = sys::open_file(directory_ + file, O_RDONLY);
        if (!opened && opened.error().code == Code::NotFound)
            continue; // the indexes are the kernel's own, and name more than was packed
        if (!opened)
            return fail(std::move(opened.error()));
        if (told_)
            told_(file);
        bool loaded = ::syscall(SYS_finit_module, opened->raw(), "", 0) == 0;
        if (!loaded && errno != EEXIST && errno != ENODEV && first)
            first = fail_errno(fmt::format("loading the module {}", name_of(file)));
    }
    return first;
}

std::vector<Error> ModuleLoader::load_for_devices() {
    std::vector<Error> errors;
    for (bool more = true; more;) {
        more = false;
        std::error_code failed;
        fs::recursive_directory_iterator entries("/sys/devices", failed);
        for (; !failed && entries != fs::recursive_directory_iterator();
             entries.increment(failed)) {
            if (entries->path().filename() != "modalias")
                continue;
            auto alias = std::string(trim(read_or_nothing(entries->path())));
            if (alias.empty() || !done_.insert(alias).second)
                continue;
            auto files = index_.files_for(alias);
            if (auto loaded = load_files(files); !loaded)
                errors.push_back(std::move(loaded.error()));
            more = more || !files.empty(); // it may have found devices of its own
        }
    }
    return errors;
}

} // namespace slipway::boot
