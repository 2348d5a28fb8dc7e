// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "appliance/tested_kernel.hpp"
#include "archive/digest.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "boot/options.hpp"
#include "http/url.hpp"
#include "netboot/boot_files.hpp"
#include "netboot/initramfs.hpp"
#include "netboot/kernel_needs.hpp"
#include "netboot/loaders.hpp"
#include "ops/netboot.hpp"
#include "ops/netboot_control.hpp"
#include "sys/directories.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;

constexpr auto usual_command_line = "console=tty0 console=ttyS0,115200 quiet";
constexpr auto record_name = netboot_record;
constexpr std::array trusted{"/etc/ssl/certs/ca-certificates.crt",
                             "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"};
constexpr std::size_t largest_kernel = 256 << 20;
constexpr std::size_t digits_of_digest = 12;

std::string trusted_authorities() {
    for (const auto* path : trusted)
        if (::access(path, R_OK) == 0)
            return path;
    return {};
}

// What is added to the kernel's command line, by boot loaders that have a syntax of their own.
Status check_append(const std::string& text) {
    constexpr std::size_t longest = 1500; // of the 2047 bytes of x86; loaders add to it
    if (text.find_first_of("\n\r") != std::string::npos)
        return fail(Code::InvalidArgument, "a kernel's command line is one line");
    if (auto at = text.find_first_of(";&|$<>{}\\"); at != std::string::npos)
        return fail(Code::InvalidArgument,
                    fmt::format("--append: '{}' means something to boot loaders", text[at]),
                    "leave it out");
    if (text.size() > longest)
        return fail(Code::InvalidArgument,
                    fmt::format("--append has {} bytes, and {} is the most", text.size(), longest));
    auto options = boot::read_boot_options(text);
    return options.complaints.empty()
               ? Status{}
               : Status(fail(Code::InvalidArgument, "--append: " + options.complaints.front(),
                             "docs/netboot.md has the options of the bootstrap"));
}

class Build {
public:
    Build(const Context& context, const NetbootBuildRequest& request)
        : context_(context), request_(request), top_(request.output) {}

    Result<NetbootBuildResult> run() {
        SLIPWAY_TRY(auto choice, netboot::parse_module_choice(request_.modules));
        SLIPWAY_CHECK(check_append(request_.append));
        if (top_.empty())
            return fail(Code::InvalidArgument, "the folder has no name");
        SLIPWAY_CHECK(check_place());
        SLIPWAY_CHECK(prepare_server());
        SLIPWAY_TRY(auto kernel, appliance::find_tested_kernel(context_.host, request_.kernel));
        if (kernel.kind != appliance::KernelKind::BzImage)
            return fail(Code::Unsupported,
                        fmt::format("{} is not a kernel that boot loaders start", kernel.file),
                        "give a bzImage, such as /boot/vmlinuz-*, or a DEB package of one");
        SLIPWAY_TRY(auto parts, find_parts());
        SLIPWAY_TRY(auto initramfs, netboot::make_initramfs(parts, kernel, choice));
        auto lacks = netboot::find_lacks(kernel, initramfs.modules);
        if (!lacks.needed.empty())
            return fail(Code::Unsupported,
                        fmt::format("the kernel {} lacks what the bootstrap needs: {}",
                                    kernel.release, join(lacks.needed, ", ")),
                        kernel.modules.empty() ? "its modules were not found beside it"
                                               : "use a distribution's kernel");
        for (const auto& lack : lacks.wished)
            result_.notes.push_back(fmt::format("the kernel has not {}", lack));
        if (kernel.modules.empty() && request_.modules != "none")
            result_.notes.emplace_back("no modules were found beside the kernel: what it has not "
                                       "built in will not be there");
        if (kernel.config.empty())
            result_.notes.emplace_back(
                "the kernel's configuration was not found, so what it has was checked in part");
        SLIPWAY_TRY(auto loaders, netboot::find_loaders(context_.host));
        SLIPWAY_CHECK(write(kernel, initramfs, loaders));
        result_.directory = top_;
        result_.kernel_release = kernel.release;
        result_.compression = initramfs.compression;
        result_.initramfs_bytes = initramfs.bytes.size();
        result_.modules = initramfs.modules.size();
        result_.firmware = initramfs.firmware.files;
        if (!initramfs.firmware.lacking.empty())
            result_.notes.push_back(fmt::format(
                "{} does not have all firmware for the modules {}", request_.firmware,
                join({initramfs.firmware.lacking.begin(), initramfs.firmware.lacking.end()},
                     ", ")));
        return std::move(result_);
    }

private:
    // A folder of ours, an empty one, or none yet.
    Status check_place() {
        std::error_code failed;
        auto path = fmt::format("{}/{}", top_, record_name);
        if (auto record = sys::read_file(path)) {
            auto known = parse_json(*record, path);
            if (!known)
                return fail(std::move(known.error())
                                .advise("it tells that the folder is ours: delete the folder, or "
                                        "name another one"));
            old_ = json_get<std::string>(*known, "files");
            return {};
        }
        if (!fs::exists(top_, failed))
            return {};
        if (!fs::is_directory(top_, failed))
            return fail(Code::Exists, fmt::format("{} is no directory", top_));
        if (!fs::is_empty(top_, failed))
            return fail(Code::Exists,
                        fmt::format("{} holds other things, and no network boot", top_),
                        "name a new directory, or an empty one");
        return {};
    }

    // What machines will know it by is made before it runs.
    Status prepare_server() {
        if (request_.server.empty())
            return {};
        SLIPWAY_TRY(auto url, http::parse_url(request_.server));
        if (!url.secure)
            return fail(Code::InvalidArgument,
                        fmt::format("{}: machines take orders by https only", url.str()),
                        "--server https://ADDRESS:8443, with this host's address");
        if (url.target != "/")
            return fail(Code::InvalidArgument,
                        fmt::format("{}: orders are asked for at a server's top", url.str()),
                        fmt::format("--server https://{}", url.authority()));
        SLIPWAY_TRY(auto place, ControlPlace::at(request_.state));
        SLIPWAY_CHECK(place.prepare());
        server_ = "https://" + url.authority();
        server_certificate_ = place.certificate();
        return {};
    }

    Result<netboot::InitramfsParts> find_parts() {
        netboot::InitramfsParts parts{
            .init = {}, .keys = request_.keys, .ca = request_.ca, .server = server_certificate_};
        SLIPWAY_TRY(auto worker, session::find_worker());
        parts.init = fmt::format("{}/slipway-init", dirname_of(worker));
        if (::access(parts.init.c_str(), R_OK) != 0)
            return fail(Code::NotFound,
                        fmt::format("the program slipway-init is not beside {}", worker));
        if (parts.ca.empty())
            parts.ca = trusted_authorities();
        if (parts.ca.empty())
            result_.notes.emplace_back("this host has no list of authorities, so https needs "
                                       "--ca or --insecure");
        if (request_.firmware != "none")
            parts.firmware = request_.firmware;
        if (request_.with_shell) {
            SLIPWAY_TRY(parts.shell, sys::find_program("busybox"));
        }
        return parts;
    }

    Status write(const appliance::TestedKernel& kernel, const netboot::Initramfs& initramfs,
                 const netboot::Loaders& loaders) {
        SLIPWAY_TRY(auto image, sys::read_file(kernel.file, largest_kernel));
        // A pair has a name of its own, so that no machine ever gets half of two.
        SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
        digest->add(image);
        digest->add(initramfs.bytes);
        auto name = fmt::format("slipway/{}-{}", kernel.release,
                                digest->finish().substr(0, digits_of_digest));
        netboot::BootFiles files{.kernel = name + "/vmlinuz",
                                 .initramfs = name + "/initramfs.img",
                                 .command_line = usual_command_line};
        if (!server_.empty())
            files.command_line += " slipway.server=" + server_;
        if (!request_.append.empty())
            files.command_line += " " + request_.append;
        Json record{{"version", 1}, {"files", old_}};
        if (old_.empty()) // it is ours from here on, also after an interrupted build
            SLIPWAY_CHECK(publish(record_name, render_json_pretty(record) + "\n"));
        SLIPWAY_CHECK(sys::make_directories(top_ + "/images"));
        SLIPWAY_CHECK(publish(files.kernel, image));
        SLIPWAY_CHECK(publish(files.initramfs, initramfs.bytes));
        SLIPWAY_CHECK(publish("boot.ipxe", netboot::ipxe_script(files)));
        result_.files.emplace_back("boot.ipxe");
        SLIPWAY_CHECK(write_loaders(loaders, files));
        std::error_code failed;
        auto folder = fs::absolute(top_, failed).lexically_normal().string();
        SLIPWAY_CHECK(
            publish("dnsmasq.conf", netboot::dnsmasq_config({.folder = folder, .interface = {}})));
        record["files"] = name;
        record["server"] = server_;
        SLIPWAY_CHECK(publish(record_name, render_json_pretty(record) + "\n"));
        remove_older(name);
        return {};
    }

    // The pair before stays for machines that are in the middle of fetching it.
    void remove_older(const std::string& name) {
        std::error_code failed;
        for (const auto& entry : fs::directory_iterator(top_ + "/slipway", failed)) {
            auto each = "slipway/" + entry.path().filename().string();
            if (entry.is_directory(failed) && each != name && each != old_)
                fs::remove_all(entry.path(), failed);
        }
    }

    Status write_loaders(const netboot::Loaders& loaders, const netboot::BootFiles& files) {
        for (const auto& loader : loaders.made) {
            for (const auto& [name, content] : loader.parts)
                SLIPWAY_CHECK(publish(name, content));
            result_.files.push_back(loader.file);
        }
        result_.notes.insert(result_.notes.end(), loaders.missing.begin(), loaders.missing.end());
        SLIPWAY_CHECK(publish("pxelinux.cfg/default", netboot::pxelinux_config(files)));
        return publish("grub/grub.cfg", netboot::grub_config(files));
    }

    // Whole, or as it was; a name below the top.
    Status publish(const std::string& name, std::string_view content) const {
        auto path = fmt::format("{}/{}", top_, name);
        SLIPWAY_CHECK(sys::make_directories(std::string(dirname_of(path))));
        SLIPWAY_TRY(auto file, sys::OutputFile::create(path, {.replace = true}));
        if (auto written = sys::write_all(file.fd(), content); !written)
            return fail(std::move(written).error().in("writing " + path));
        return file.publish();
    }

    const Context& context_;
    const NetbootBuildRequest& request_;
    std::string top_;
    std::string server_, server_certificate_;
    std::string old_; ///< the pair of the build before
    NetbootBuildResult result_;
};

} // namespace

Json to_json(const NetbootBuildResult& result) {
    return {{"directory", result.directory},
            {"kernel_release", result.kernel_release},
            {"compression", result.compression},
            {"initramfs_bytes", result.initramfs_bytes},
            {"modules", result.modules},
            {"firmware", result.firmware},
            {"files", result.files},
            {"notes", result.notes}};
}

Result<NetbootBuildResult> build_netboot(const Context& context,
                                         const NetbootBuildRequest& request) {
    return Build(context, request).run();
}

} // namespace slipway::ops
