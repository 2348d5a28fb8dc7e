// SPDX-License-Identifier: Apache-2.0
// The init of images that the tests of network boot enter: it does what /etc/mode names, says what
// came of it on the console, and stays until it is killed.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/vt.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr const char* cgroups = "/sys/fs/cgroup";

[[noreturn]] void stay(const char* said) {
    std::printf("%s\n", said);
    std::fflush(stdout);
    while (true)
        ::pause();
}

bool write_to(const std::string& path, const std::string& text) {
    int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    bool done =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return done;
}

// Graphics on another terminal, which nobody but it may leave, a keyboard that is off, another
// keymap, and whoever had the first terminal open is hung up, as before a login.
void take_screen() {
    if (::fork() == 0) {
        ::setsid();
        int own = ::open("/dev/tty1", O_RDWR);
        ::ioctl(own, TIOCSCTTY, 1);
        ::vhangup();
        ::_exit(0);
    }
    int first = ::open("/dev/tty0", O_RDWR | O_NOCTTY),
        third = ::open("/dev/tty3", O_RDWR | O_NOCTTY);
    kbentry other{.kb_table = 0, .kb_index = 31, .kb_value = 'q'}; // the key of "s"
    bool done = ::ioctl(third, KDSKBENT, &other) == 0 && ::ioctl(first, VT_ACTIVATE, 3) == 0 &&
                ::ioctl(first, VT_WAITACTIVE, 3) == 0;
    vt_mode mode{.mode = VT_PROCESS, .waitv = 0, .relsig = SIGUSR1, .acqsig = SIGUSR1, .frsig = 0};
    (void)::signal(SIGUSR1, SIG_IGN);
    done = done && ::ioctl(third, VT_SETMODE, &mode) == 0 &&
           ::ioctl(third, KDSETMODE, KD_GRAPHICS) == 0 && ::ioctl(third, KDSKBMODE, K_OFF) == 0 &&
           ::ioctl(third, VT_LOCKSWITCH, 1) == 0;
    ::sleep(1); // the other process
    stay(done ? "the screen is mine" : "the screen could not be taken");
}

void eat_memory() {
    std::printf("I eat\n");
    std::fflush(stdout);
    // One is killed for it, and the next goes on; the first itself remains.
    while (::fork() != 0)
        ::wait(nullptr);
    constexpr std::size_t bite = 16 << 20;
    while (true) {
        void* eaten =
            ::mmap(nullptr, bite, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (eaten != MAP_FAILED)
            std::memset(eaten, 1, bite);
    }
}

void fork_without_end() {
    std::printf("I fork\n");
    std::fflush(stdout);
    for (int number = 1; number < NSIG; ++number)
        (void)::signal(number, SIG_IGN);
    while (true)
        ::fork();
}

// What a neighbour's traces are that the bootstrap has to remove.
void leave_traces() {
    std::system("ip link add link eth1 name left0 type vlan id 7; ip link set left0 up; ip addr "
                "add 192.168.77.1/24 "
                "dev eth1; ip route add 10.77.0.0/16 via 192.168.77.2");
    std::system("ip addr flush dev lo; ip link set eth1 mtu 1400");
    timespec far{.tv_sec = 4'000'000'000, .tv_nsec = 0};
    bool clock = ::clock_settime(CLOCK_REALTIME, &far) == 0;
    ::mkdir((std::string(cgroups) + "/left").c_str(), 0755);
    write_to(std::string(cgroups) + "/cgroup.subtree_control", "+pids");
    write_to("/proc/sys/vm/swappiness", "7");
    ::unlink("/dev/null");
    ::close(::open("/dev/left", O_CREAT | O_WRONLY, 0600));
    stay(clock ? "traces are left" : "the clock could not be set");
}

// --- harm ---

std::vector<std::string> names_in(const char* directory) {
    std::vector<std::string> names;
    DIR* opened = ::opendir(directory);
    while (const auto* entry = opened == nullptr ? nullptr : ::readdir(opened))
        names.emplace_back(entry->d_name);
    return names;
}

void tell(const char* what, bool done) {
    std::printf("%s: %s\n", what, done ? "POSSIBLE" : "no");
}

std::string read_from(const std::string& path) {
    std::array<char, 4096> bytes{};
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    auto got = fd < 0 ? -1 : ::read(fd, bytes.data(), bytes.size());
    ::close(fd);
    return {bytes.data(), static_cast<std::size_t>(got < 0 ? 0 : got)};
}

// Any process that is none of ours, in any directory of processes.
bool finds_bootstrap(const char* proc) {
    for (const auto& name : names_in(proc))
        if (read_from(std::string(proc) + "/" + name + "/cmdline").find("@init") !=
                std::string::npos ||
            read_from(std::string(proc) + "/" + name + "/comm").find("slipway") !=
                std::string::npos)
            return true;
    return false;
}

void harm() {
    if (::fork() == 0) { // who is not root cannot go back
        if (::setgid(1000) != 0 || ::setuid(1000) != 0)
            ::_exit(1);
        tell("an ordinary user goes back", ::access("/.bootstrap-return", X_OK) == 0 ||
                                               write_to("/run/slipway/return", "return\n"));
        std::fflush(stdout);
        ::_exit(0);
    }
    ::wait(nullptr);
    tell("a process of the bootstrap is seen", finds_bootstrap("/proc"));
    ::mkdir("/other", 0700);
    ::mount("proc", "/other", "proc", 0, nullptr);
    tell("a process of the bootstrap is seen in another /proc", finds_bootstrap("/other"));
    bool traced = false, killed = false, opened = false;
    for (pid_t pid = 2; pid < 5000; ++pid) {
        traced = traced || ::ptrace(PTRACE_SEIZE, pid, 0, 0) == 0;
        killed = killed || ::kill(pid, SIGKILL) == 0;
        auto memory = "/proc/" + std::to_string(pid) + "/mem";
        opened = opened || ::access(memory.c_str(), F_OK) == 0;
    }
    tell("a process that is not ours is traced", traced);
    tell("a process that is not ours is killed", killed);
    tell("the memory of a process that is not ours is opened", opened);
    int everybody = ::kill(-1, SIGKILL);
    tell("all processes are killed", everybody == 0);
    struct stat info {};
    tell("the images of the bootstrap are seen", ::stat("/run/slipway/images", &info) == 0 ||
                                                     ::stat("/run/slipway/state.json", &info) == 0);
    ::umount2("/run/slipway", MNT_DETACH);
    ::umount2("/.bootstrap-return", MNT_DETACH);
    ::umount2("/run", MNT_DETACH);
    tell("they are seen when all is unmounted", ::stat("/run/slipway/images", &info) == 0 ||
                                                    ::stat("/run/slipway/state.json", &info) == 0);
    for (int level = 0; level < 20; ++level)
        (void)::chdir("..");
    (void)::chroot(".");
    tell("the bootstrap's root is above ours",
         ::stat("/etc/slipway", &info) == 0 || ::stat("/run/slipway-first", &info) == 0);
    ::mkdir("/tmpfs", 0700);
    ::mount("slipway-images", "/tmpfs", "tmpfs", 0, nullptr);
    tell("its memory is mounted again", names_in("/tmpfs").size() > 2);
    int memory = ::open("/dev/mem", O_RDWR | O_CLOEXEC);
    // In the middle of what is RAM, and nobody's registers.
    void* mapped =
        memory < 0 ? MAP_FAILED
                   : ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 256 << 20);
    tell("memory is written through /dev/mem", mapped != MAP_FAILED);
    // These end or stop the bootstrap's processes as a group: it has to get over that.
    auto group = std::string(cgroups) + "/slipway-bootstrap";
    std::printf("frozen: %d\n", write_to(group + "/cgroup.freeze", "1") ? 1 : 0);
    ::unlink("/dev/console");
    ::unlink("/dev/ttyS0");
    stay("harm was tried");
}

// --- what a killed process waits for ---

void say_done(const char* what, bool done) {
    std::printf("%s: %s\n", what, done ? "done" : std::strerror(errno));
    std::fflush(stdout);
}

// cgroup-v1's, where even SIGKILL waits.
bool freeze_a_child() {
    ::mkdir("/freezer", 0755);
    if (::mount("freezer", "/freezer", "cgroup", 0, "freezer") != 0 ||
        ::mkdir("/freezer/cold", 0755) != 0)
        return false;
    auto child = ::fork();
    while (child == 0)
        ::pause();
    return write_to("/freezer/cold/tasks", std::to_string(child)) &&
           write_to("/freezer/cold/freezer.state", "FROZEN");
}

// A child writes to a filesystem that is frozen.
bool freeze_a_filesystem() {
    ::mkdir("/frozen", 0755);
    int loop = ::open("/dev/loop7", O_RDWR | O_CLOEXEC),
        image = ::open("/image.ext4", O_RDWR | O_CLOEXEC);
    if (::ioctl(loop, LOOP_SET_FD, image) != 0 ||
        ::mount("/dev/loop7", "/frozen", "ext4", 0, nullptr) != 0)
        return false;
    int top = ::open("/frozen", O_RDONLY | O_CLOEXEC);
    bool done = ::ioctl(top, FIFREEZE, 0) == 0;
    if (::fork() == 0) {
        ::close(::open("/frozen/file", O_CREAT | O_WRONLY, 0600));
        ::_exit(0);
    }
    return done;
}

// A child asks a server that never answers, and holds the server's end itself.
bool wait_for_fuse() {
    ::mkdir("/silent", 0755);
    ::mount("silent", "/silent", "fuse", 0, nullptr); // for its module, which makes the device
    int device = ::open("/dev/fuse", O_RDWR);
    auto options = "fd=" + std::to_string(device) + ",rootmode=40000,user_id=0,group_id=0";
    if (::mount("silent", "/silent", "fuse", 0, options.c_str()) != 0)
        return false;
    alignas(8) static std::array<char, 1 << 17> bytes{};
    if (::read(device, bytes.data(), bytes.size()) <= 0)
        return false;
    fuse_in_header asked{};
    std::memcpy(&asked, bytes.data(), sizeof asked);
    struct {
        fuse_out_header header{};
        fuse_init_out body{};
    } answer;
    answer.header = {.len = sizeof answer, .error = 0, .unique = asked.unique};
    answer.body.major = FUSE_KERNEL_VERSION;
    answer.body.minor = FUSE_KERNEL_MINOR_VERSION;
    answer.body.max_write = 4096;
    if (::write(device, &answer, sizeof answer) != static_cast<ssize_t>(sizeof answer))
        return false;
    if (::fork() == 0) {
        struct stat info {};
        ::stat("/silent/file", &info);
        ::_exit(0);
    }
    return ::read(device, bytes.data(), bytes.size()) > 0; // taken, so that no signal ends it
}

// Its processes end only when somebody lets them, and the bootstrap's cannot work.
void hold() {
    say_done("a child is frozen", freeze_a_child());
    say_done("a filesystem is frozen", freeze_a_filesystem());
    say_done("a child waits for FUSE", wait_for_fuse());
    say_done("/dev is read-only",
             ::mount(nullptr, "/dev", nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    std::printf("I hold on\n");
    std::fflush(stdout);
    ::sleep(1); // until it is read
    write_to(std::string(cgroups) + "/slipway-bootstrap/cgroup.freeze", "1");
    ::mount(nullptr, cgroups, nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
    ::sleep(2);
    stay(read_from(std::string(cgroups) + "/slipway-bootstrap/cgroup.freeze") == "0\n"
             ? "the bootstrap is free"
             : "the bootstrap is frozen");
}

// The processor is never anybody else's: of the classes that a priority can choose, the first.
void starve() {
    bool done = write_to("/proc/sys/kernel/sched_rt_runtime_us", "-1");
    std::printf("I starve all others: %d\n", done ? 1 : 0);
    std::fflush(stdout);
    ::sleep(1); // until it is read
    for (int each = 0; each < 4; ++each)
        if (::fork() == 0) {
            sched_param first{};
            first.sched_priority = ::sched_get_priority_max(SCHED_FIFO);
            ::sched_setscheduler(0, SCHED_FIFO, &first);
            while (true)
                ::getppid();
        }
    stay("");
}

} // namespace

int main() {
    int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
    for (int fd = 0; fd < 3 && console >= 0; ++fd)
        ::dup2(console, fd);
    auto mode = read_from("/etc/mode");
    mode = mode.substr(0, mode.find('\n'));
    std::printf("mode %s\n", mode.c_str());
    std::fflush(stdout);
    if (mode == "screen")
        take_screen();
    if (mode == "memory")
        eat_memory();
    if (mode == "fork")
        fork_without_end();
    if (mode == "traces")
        leave_traces();
    if (mode == "harm")
        harm();
    if (mode == "hold")
        hold();
    if (mode == "starve")
        starve();
    if (mode == "end") {
        std::printf("I end the bootstrap\n");
        std::fflush(stdout);
        ::sleep(1);
        write_to(std::string(cgroups) + "/slipway-bootstrap/cgroup.kill", "1");
    }
    stay("there is no such mode");
}
