// SPDX-License-Identifier: Apache-2.0
// What root inside a sandbox can do to the host: sandbox_escape DIRECTORY starts a sandbox whose
// first program is this one again, and prints what that tried, one line each: "NAME ok" or "NAME"
// and the error. DIRECTORY is the caller's own, with a file "mine" and a listening socket "socket".
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "session/supervisor.hpp"
#include "vm/sandbox.hpp"

namespace {

using slipway::sys::OwnedFd;

class Prober {
public:
    explicit Prober(OwnedFd line) : line_(std::move(line)) {}
    void tell(const char* name, bool worked) const {
        auto text = fmt::format("{} {}\n", name, worked ? "ok" : std::strerror(errno));
        (void)!::write(line_.raw(), text.data(), text.size());
    }

private:
    OwnedFd line_;
};

bool can_open(const std::string& path, int flags) {
    OwnedFd file(::open(path.c_str(), flags, 0644));
    return file.valid();
}

bool can_write(const std::string& path, int flags) {
    OwnedFd file(::open(path.c_str(), O_WRONLY | flags, 0644));
    return file.valid() && ::write(file.raw(), "escaped", 7) == 7;
}

bool can_list(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr)
        return false;
    errno = 0;
    bool found = ::readdir(directory) != nullptr;
    ::closedir(directory);
    return found;
}

// The guest's own root mounts the host's tree again, to be written.
[[noreturn]] void probe(const std::string& directory) {
    ::mount("proc", "/proc", "proc", 0, "");
    ::mount("tmpfs", "/tmp", "tmpfs", 0, "");
    ::mkdir("/tmp/host", 0755);
    OwnedFd terminal(::open("/dev/ttyS0", O_RDWR | O_NOCTTY));
    termios settings{};
    ::tcgetattr(terminal.raw(), &settings);
    ::cfmakeraw(&settings);
    ::tcsetattr(terminal.raw(), TCSANOW, &settings);
    Prober prober(std::move(terminal));
    prober.tell("mount-hostfs", ::mount("hostfs", "/tmp/host", "hostfs", 0, "/") == 0);
    const std::string host = "/tmp/host", home = host + directory;
    prober.tell("read-program", can_open(host + "/usr/bin/env", O_RDONLY));
    prober.tell("list-home", can_list(home));
    prober.tell("read-home", can_open(home + "/mine", O_RDONLY));
    prober.tell("read-passwd", can_open(host + "/etc/passwd", O_RDONLY));
    prober.tell("write-home", can_write(home + "/mine", 0));
    prober.tell("create-home", can_write(home + "/new", O_CREAT | O_EXCL));
    prober.tell("create-tmp", can_write(host + "/var/tmp/slipway-escaped", O_CREAT));
    prober.tell("create-shm", can_write(host + "/dev/shm/slipway-escaped", O_CREAT));
    prober.tell("truncate-home", ::truncate((home + "/mine").c_str(), 0) == 0);
    prober.tell("chmod-home", ::chmod((home + "/mine").c_str(), 0777) == 0);
    prober.tell("touch-home", ::utimensat(AT_FDCWD, (home + "/mine").c_str(), nullptr, 0) == 0);
    prober.tell("unlink-home", ::unlink((home + "/mine").c_str()) == 0);
    prober.tell("rename-home", ::rename((home + "/mine").c_str(), (home + "/other").c_str()) == 0);
    prober.tell("link-home", ::symlink("x", (home + "/link").c_str()) == 0);
    prober.tell("mkdir-home", ::mkdir((home + "/directory").c_str(), 0755) == 0);
    prober.tell("end", true);
    ::usleep(100'000); // the line is slow
    ::reboot(RB_POWER_OFF);
    ::_exit(0);
}

// What the machine's process could do if its kernel were taken over: the same confinement, no
// machine. Run as `sandbox_escape --process DIRECTORY`.
void probe_process(const std::string& directory) {
    Prober prober((OwnedFd(::dup(1))));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    OwnedFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    prober.tell("connect", ::connect(socket.raw(), reinterpret_cast<sockaddr*>(&address),
                                     sizeof address) == 0);
    prober.tell("internet", OwnedFd(::socket(AF_INET, SOCK_STREAM, 0)).valid());
    prober.tell("netlink", OwnedFd(::socket(AF_NETLINK, SOCK_RAW, 0)).valid());
    prober.tell("datagram", OwnedFd(::socket(AF_UNIX, SOCK_DGRAM, 0)).valid());
    prober.tell("home", can_open(directory + "/mine", O_RDONLY));
    prober.tell("chmod", ::chmod((directory + "/mine").c_str(), 0777) == 0);
    prober.tell("namespace", ::unshare(CLONE_NEWUSER) == 0);
    prober.tell("signal", ::kill(::getppid(), 0) == 0);
}

} // namespace

int main(int argc, char** argv) {
    using namespace slipway;
    if (::getpid() == 1)
        probe(argv[1]);
    if (argc == 3 && std::string_view(argv[1]) == "--process") {
        probe_process(argv[2]);
        return 0;
    }
    if (argc != 2)
        return 2;
    auto runner = session::SupervisedRunner::launch();
    auto worker = session::find_worker();
    if (!runner || !worker)
        return 3;
    sys::Host host{.runner = runner->get()};
    std::string self(4096, '\0');
    self.resize(static_cast<std::size_t>(::readlink("/proc/self/exe", self.data(), self.size())));
    auto sandbox =
        vm::Sandbox::start(host, {.worker = self,
                                  .preload = std::string(dirname_of(*worker)) + "/slipway-uml.so",
                                  .arguments = {argv[1]}});
    if (!sandbox) {
        std::puts(render_text(sandbox.error()).c_str());
        return 1;
    }
    auto line = sandbox->take_control();
    if (auto told = sys::read_all(line, 1 << 20); told)
        std::fputs(told->c_str(), stdout);
    auto confinement = vm::machine_confinement(1024);
    confinement.read_paths.push_back(self);
    auto confined = sys::run(
        **runner, {.argv = {self, "--process", argv[1]}, .confinement = std::move(confinement)});
    std::fputs(confined ? confined->out.c_str() : render_text(confined.error()).c_str(), stdout);
    auto finished = sandbox->finish();
    std::puts(finished ? "finished ok" : render_text(finished.error()).c_str());
    return 0;
}
