// SPDX-License-Identifier: Apache-2.0
#include "vm/uml_spec.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::vm {

std::vector<std::string> uml_argv(const UmlSpec& spec) {
    std::vector<std::string> argv{
        spec.program,
        "root=none",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        spec.loud ? "loglevel=5" : "loglevel=3",
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        fmt::format("mem={}M", spec.memory_mib),
        fmt::format("ssl0=fd:{0},fd:{0}", spec.control_fd),
        fmt::format("ubd0=/proc/self/fd/{},,slipway-window", spec.window_fd)};
    // "c": no lock of its own, which would meet that of who opened the file.
    for (std::size_t index = 0; index < spec.ubds.size(); ++index)
        argv.push_back(fmt::format("ubd{}c=/proc/self/fd/{},,{}", index + 1, spec.ubds[index].fd,
                                   spec.ubds[index].serial));
    for (int fd : spec.disk_fds)
        argv.push_back(fmt::format("virtio_uml.device=slipway-{}:2", fd)); // 2: block device
    // The first three would make files for a management console, and the first crashes where it
    // cannot.
    std::string left_out = "make_umid_init,mconsole_init,mmapper_init";
    if (!spec.raid6)
        left_out += ",raid6_select_algo";
    argv.push_back("initcall_blacklist=" + left_out);
    if (spec.loud)
        argv.emplace_back("printk.time=1");
    for (auto word : split_words(spec.append))
        argv.emplace_back(word);
    // The kernel's own quoting: a blank would end the parameter.
    argv.push_back(fmt::format("init=\"{}\"", spec.init));
    argv.emplace_back("--");
    argv.insert(argv.end(), spec.init_arguments.begin(), spec.init_arguments.end());
    return argv;
}

} // namespace slipway::vm
