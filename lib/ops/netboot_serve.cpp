// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "http/server.hpp"
#include "http/url.hpp"
#include "netboot/boot_files.hpp"
#include "ops/netboot.hpp"
#include "ops/netboot_control.hpp"
#include "ops/netboot_disks.hpp"
#include "sys/root_dir.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kept_lines = 3;
constexpr std::chrono::seconds longest_start{10};
constexpr std::chrono::milliseconds between_looks{200}; // for disks that have become raw

// Of this host, or of one of its interfaces; `network`: only those in it.
std::vector<std::string> own_addresses(const std::string& interface,
                                       const std::optional<in_addr>& network = {}) {
    std::vector<std::string> addresses;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0)
        return addresses;
    for (auto* each = all; each != nullptr; each = each->ifa_next) {
        bool wanted =
            interface.empty() ? (each->ifa_flags & IFF_LOOPBACK) == 0 : each->ifa_name == interface;
        if (!wanted || each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET)
            continue;
        char text[INET_ADDRSTRLEN]{};
        const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
        const auto* mask = reinterpret_cast<const sockaddr_in*>(each->ifa_netmask);
        if (network && (mask == nullptr || ((address->sin_addr.s_addr ^ network->s_addr) &
                                            mask->sin_addr.s_addr) != 0))
            continue;
        ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
        addresses.emplace_back(text);
    }
    ::freeifaddrs(all);
    return addresses;
}

Result<std::string> address_of_proxy(const netboot::DhcpSettings& settings) {
    auto text = settings.range.substr(0, settings.range.find(','));
    in_addr network{};
    ::inet_pton(AF_INET, text.c_str(), &network);
    auto addresses = own_addresses(settings.interface, network);
    if (addresses.empty())
        return fail(Code::InvalidArgument,
                    fmt::format("{} has no address in the network {}", settings.interface, text),
                    fmt::format("`ip addr show {}` shows those that it has", settings.interface));
    return addresses.front();
}

// DHCP and TFTP: dnsmasq, which ends with this object.
class Dnsmasq {
public:
    Status start(const Context& context, const netboot::DhcpSettings& settings) {
        auto program = sys::find_program("dnsmasq");
        if (!program)
            return fail(Code::Unsupported,
                        "dnsmasq, which serves DHCP and TFTP, is not installed here",
                        "apt install dnsmasq-base, or leave out --interface and serve the folder "
                        "by other means");
        if (::geteuid() != 0)
            return fail(Code::Permission, "DHCP and TFTP need root", "run it with sudo");
        SLIPWAY_TRY(auto config, sys::make_memfd("dnsmasq", netboot::dnsmasq_config(settings)));
        SLIPWAY_TRY(auto pipe, sys::make_pipe());
        // As a daemon it would change to a user who may not be able to read the folder. It stays
        // who it is, and may do nothing but this.
        sys::ProcessSpec spec{.argv = {*program, "--no-daemon", "--conf-file=-", "--leasefile-ro"}};
        spec.fds = {{config, 0}, {pipe.second, 1}, {pipe.second, 2}};
        spec.confinement = sys::Confinement{
            .read_paths = sys::program_read_paths(),
            .keep_capabilities = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE}};
        for (const auto* path :
             {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/proc", "/sys"})
            spec.confinement->read_paths.emplace_back(path);
        spec.confinement->read_paths.push_back(settings.folder);
        spec.confinement->write_paths.emplace_back("/dev/null");
        SLIPWAY_TRY(child_, context.host.runner->start(spec));
        said_ = std::move(pipe.first);
        if (::fcntl(said_.raw(), F_SETFL, O_NONBLOCK) != 0)
            return fail_errno("listening to dnsmasq");
        pipe.second.reset();
        return wait_for_start(context.host.cancel);
    }
    [[nodiscard]] sys::BorrowedFd said() const { return said_; }

    // False: it has ended.
    bool hear(const std::function<void(const std::string&)>& told) {
        char bytes[4096];
        auto got = ::read(said_.raw(), bytes, sizeof bytes);
        if (got == 0)
            return false;
        if (got > 0)
            part_.append(bytes, static_cast<std::size_t>(got));
        for (auto end = part_.find('\n'); end != std::string::npos; end = part_.find('\n')) {
            auto line = printable(part_.substr(0, end));
            part_.erase(0, end + 1);
            last_.push_back(line);
            if (last_.size() > kept_lines)
                last_.erase(last_.begin());
            if (told)
                told(line);
        }
        return true;
    }
    [[nodiscard]] Error why_it_ended() const {
        return {.code = Code::ToolFailed,
                .what = fmt::format("dnsmasq has ended: {}", join(last_, "; ")),
                .hint = "another DHCP or TFTP server may run on this host"};
    }

private:
    // Nobody is told that it serves before it does.
    Status wait_for_start(const Cancel& cancel) {
        auto until = Clock::now() + longest_start;
        bool started = false;
        auto see = [&](const std::string& line) {
            started = started || line.find(": started, version") != std::string::npos;
        };
        while (!started) {
            if (cancel.requested())
                return fail(Code::Cancelled, "stopped");
            if (Clock::now() > until)
                return fail(Code::Timeout, "dnsmasq does not start");
            pollfd poll{said_.raw(), POLLIN, 0};
            if (::poll(&poll, 1, 100) > 0 && !hear(see))
                return fail(why_it_ended());
        }
        return {};
    }

    std::unique_ptr<sys::Child> child_;
    sys::OwnedFd said_;
    std::string part_;
    std::vector<std::string> last_;
};

Status check_request(const NetbootServeRequest& request) {
    if (!request.dhcp.empty() && request.interface.empty())
        return fail(Code::InvalidArgument, "a DHCP server needs an interface that was named",
                    "--interface NAME, as `ip link` shows it");
    if (request.certificate.empty() != request.key.empty())
        return fail(Code::InvalidArgument, "TLS needs a certificate and its key",
                    "--certificate FILE --key FILE");
    if (!request.interface.empty() && ::if_nametoindex(request.interface.c_str()) == 0)
        return fail(Code::NotFound,
                    fmt::format("there is no interface {}", printable(request.interface)),
                    "`ip link` shows those that are there");
    return {};
}

// Where the folder's last build has told machines to ask for orders; null: nowhere.
Result<std::unique_ptr<ControlServer>> open_control(const NetbootServeRequest& request,
                                                    const http::Server& files) {
    auto record = sys::read_file(fmt::format("{}/{}", request.folder, netboot_record));
    auto json = parse_json(record.value_or("{}"), netboot_record).value_or(Json::object());
    auto wanted = json_get<std::string>(json, "server");
    if (wanted.empty())
        return nullptr;
    SLIPWAY_TRY(auto url, http::parse_url(wanted));
    return ControlServer::open({.state = request.state,
                                .address = request.address,
                                .port = url.port,
                                .approve_all = request.approve_all,
                                .on_event = request.on_event},
                               files);
}

} // namespace

Status serve_netboot(const Context& context, const NetbootServeRequest& request) {
    SLIPWAY_CHECK(check_request(request));
    SLIPWAY_TRY(auto folder, sys::RootDir::open(request.folder));
    std::error_code failed;
    netboot::DhcpSettings settings{
        .folder = fs::absolute(request.folder, failed).lexically_normal().string(),
        .interface = request.interface,
        .range = request.dhcp};
    SLIPWAY_CHECK(netboot::check(settings));
    if (settings.range.ends_with(",proxy")) {
        SLIPWAY_TRY(settings.address, address_of_proxy(settings));
    }
    SLIPWAY_TRY(auto server, http::Server::open({.address = request.address,
                                                 .port = request.port,
                                                 .certificate = request.certificate,
                                                 .key = request.key}));
    RawDisks disks(context, settings.folder, request.on_event);
    server.serve_files("/", std::move(folder),
                       [&](const http::Asked& asked, const http::Answer& answer,
                           sys::BorrowedFd file) { return disks.take(asked, answer, file); });
    server.every(between_looks, [&] { disks.settle(); });
    server.on_served([&](const http::Served& served) {
        if (request.on_event)
            request.on_event(fmt::format("{} {} {} {} {}", served.peer, served.method,
                                         printable(served.path), served.status, served.bytes));
    });
    SLIPWAY_TRY(auto control, open_control(request, server));
    Dnsmasq dnsmasq;
    Cancel stop([&] { return context.host.cancel.requested(); });
    std::optional<Error> ended;
    if (!request.interface.empty()) {
        SLIPWAY_CHECK(dnsmasq.start(context, settings));
        server.watch(dnsmasq.said(), [&] {
            if (dnsmasq.hear(request.on_event))
                return;
            ended = dnsmasq.why_it_ended();
            server.forget(dnsmasq.said());
            stop.request();
        });
    }
    auto addresses = request.address == "0.0.0.0" ? own_addresses(request.interface)
                                                  : std::vector{request.address};
    if (request.on_ready) {
        for (const auto& address : addresses)
            request.on_ready("files", fmt::format("{}://{}:{}/",
                                                  request.certificate.empty() ? "http" : "https",
                                                  address, server.port()));
        if (control)
            request.on_ready(control->place().directory(), control->url());
    }
    auto served = server.run(stop);
    if (ended)
        return fail(std::move(*ended));
    if (!served && served.error().code == Code::Cancelled)
        return {};
    return served;
}

} // namespace slipway::ops
