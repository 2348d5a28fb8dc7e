// SPDX-License-Identifier: Apache-2.0
#include "boot/bootstrap.hpp"

#include <atomic>
#include <csignal>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "boot/commands.hpp"
#include "boot/consoles.hpp"
#include "boot/download.hpp"
#include "boot/keyboards.hpp"
#include "boot/machine.hpp"
#include "boot/modules.hpp"
#include "boot/network.hpp"
#include "boot/visit.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto prompt = "[bootstrap] # ";
constexpr auto state_directory = "/run/slipway";
constexpr auto image_directory = "/run/slipway/images";
constexpr auto target_directory = "/run/slipway/target";
constexpr std::size_t kept_lines = 1000;
constexpr int poll_interval_ms = 200;
constexpr std::uint64_t own_reserve = 64 << 20; // bytes that images leave alone

// What work in the background says, for the thread that has the consoles.
class Mailbox {
public:
    struct Letter {
        std::string text;
        bool passing = false;
    };
    void put(std::string text, bool passing = false) {
        std::lock_guard guard(lock_);
        letters_.push_back({std::move(text), passing});
    }
    std::deque<Letter> take() {
        std::lock_guard guard(lock_);
        return std::exchange(letters_, {});
    }

private:
    std::mutex lock_;
    std::deque<Letter> letters_;
};

// One piece of work beside the prompt, such as a load.
class Work {
public:
    ~Work() { join(); }
    Work() = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    [[nodiscard]] bool is_running() const { return running_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    void start(std::string name, std::function<void(const Cancel&)> task) {
        join();
        name_ = std::move(name);
        cancel_ = Cancel();
        running_ = true;
        thread_ = std::thread([this, task = std::move(task)] {
            task(cancel_);
            running_ = false;
        });
    }
    void stop() const { cancel_.request(); }

private:
    void join() {
        cancel_.request();
        if (thread_.joinable())
            thread_.join();
    }
    std::string name_;
    Cancel cancel_;
    std::atomic<bool> running_{false};
    std::thread thread_;
};

class Bootstrap {
public:
    void start() {
        note("the filesystems", mount_own_filesystems());
        note("the control groups", leave_root_cgroup());
        options_ = read_boot_options(sys::read_file("/proc/cmdline").value_or(""));
        modules_ = ModuleLoader::open();
        // What the kernel starts for a module that it lacks: this program again, see main().
        ::mkdir("/sbin", 0755);
        std::ignore = ::symlink("/proc/1/exe", "/sbin/modprobe");
        open_consoles();
        say(fmt::format("Slipway's bootstrap, {} MiB of memory", machine_memory().total >> 20));
        for (const auto& complaint : options_.complaints)
            say(complaint);
        for (const auto& error : modules_.load_for_devices())
            say(render_line(error));
        open_consoles(); // of drivers that were modules
        std::ignore = modules_.load("evdev");
        keyboards_.open();
        ::mkdir(state_directory, 0755);
        for (const auto* directory : {image_directory, target_directory})
            ::mkdir(directory, 0700);
        work_.start("the network", [this](const Cancel& cancel) { start_network(cancel); });
        consoles_.show_prompt();
    }

    void turn() {
        std::vector<pollfd> polls;
        consoles_.add_polls(polls);
        keyboards_.add_polls(polls);
        if (visit_)
            visit_->add_polls(polls);
        ::poll(polls.data(), polls.size(), poll_interval_ms);
        // Orphans are ours; other children are waited for by whoever started them.
        while (!visit_ && !work_.is_running() && ::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        for (const auto& heard : consoles_.hear(polls))
            take(heard);
        if (keyboards_.was_pressed(polls) && visit_)
            visit_->come_back("Ctrl+Alt+F12");
        attend_visit(polls);
        for (const auto& letter : mailbox_.take()) {
            if (letter.passing)
                consoles_.say_passing(letter.text);
            else
                say(letter.text);
        }
    }

private:
    void attend_visit(const std::vector<pollfd>& polls) {
        if (auto entrance = take_ready(); entrance && !visit_) {
            say(fmt::format("entering {}", entrance->url));
            auto visit = Visit::start(std::move(*entrance), consoles_);
            if (!visit)
                return say(render_text(visit.error()));
            visit_ = std::move(*visit);
            return;
        }
        if (!visit_)
            return;
        visit_->turn(polls);
        if (!visit_->is_over())
            return;
        auto text = visit_->finish(consoles_);
        visit_.reset();
        say(text);
    }
    std::optional<Entrance> take_ready() {
        std::lock_guard guard(ready_lock_);
        return std::exchange(ready_, std::nullopt);
    }

    void say(const std::string& text) {
        log_.push_back(text);
        if (log_.size() > kept_lines)
            log_.pop_front();
        consoles_.say(text);
    }
    void note(const char* what, const Status& done) {
        if (!done)
            say(fmt::format("{}: {}", what, render_line(done.error())));
    }

    void open_consoles() {
        auto names = options_.consoles;
        if (names.empty())
            names.emplace_back("console");
        std::erase_if(names, [this](const auto& name) { return opened_.contains(name); });
        auto errors = consoles_.open(names);
        for (const auto& name : names)
            if (fs::exists("/dev/" + name))
                opened_.insert(name);
        if (consoles_.empty())
            for (const auto& error : errors)
                log_.push_back(render_line(error));
    }

    // In the background, as all with `mailbox_`.
    void start_network(const Cancel& cancel) {
        auto up = bring_up_network(
            options_, [this](const std::string& text) { mailbox_.put(text); }, cancel);
        if (!up)
            return mailbox_.put(render_text(up.error()));
        mailbox_.put(
            fmt::format("{} has {}", up->link.name, join(addresses_of(up->link.name), ", ")));
        if (options_.image_url.empty())
            return;
        Command load{.name = "load", .arguments = {options_.image_url}};
        if (!options_.image_sha256.empty())
            load.options["sha256"] = options_.image_sha256;
        fetch(load, cancel);
    }

    void take(const Consoles::Heard& heard) {
        if (heard.come_back && visit_)
            return visit_->come_back("RETURN_TO_BOOTSTRAP on " + heard.console);
        if (heard.interrupted && work_.is_running())
            return work_.stop();
        auto command = parse_command(heard.line);
        if (!command)
            say(render_text(command.error()));
        else if (!command->name.empty())
            run(*command);
        else
            consoles_.show_prompt();
    }

    void run(const Command& command) {
        if (command.name == "help")
            return say(help_text(command.arguments.empty() ? "" : command.arguments[0]));
        if (command.name == "status")
            return say(status());
        if (command.name == "list")
            return say(images());
        if (command.name == "log")
            return consoles_.say(join({log_.begin(), log_.end()}, "\n"));
        if (command.name == "reboot" || command.name == "poweroff") {
            say(command.name + " ...");
            end_machine(command.name);
        }
        if (command.name == "load") {
            if (work_.is_running())
                return say(fmt::format("{} is under way: Ctrl-C stops it", work_.name()));
            return work_.start("a load",
                               [this, command](const Cancel& cancel) { fetch(command, cancel); });
        }
        say(fmt::format("{} does not work yet", command.name));
    }

    [[nodiscard]] std::string status() const {
        auto memory = machine_memory();
        auto text = fmt::format("memory     {} MiB, {} MiB free\n", memory.total >> 20,
                                memory.available >> 20);
        if (auto links = ethernet_links())
            for (const auto& link : *links)
                text +=
                    fmt::format("{:10} {}{}\n", link.name, link.has_carrier ? "" : "no carrier ",
                                join(addresses_of(link.name), ", "));
        return text + fmt::format("under way  {}\n", work_.is_running() ? work_.name() : "nothing");
    }

    [[nodiscard]] static std::string images() {
        std::string text;
        std::error_code failed;
        for (const auto& entry : fs::directory_iterator(image_directory, failed))
            text += fmt::format("{}  {} MiB\n", entry.path().filename().string(),
                                entry.file_size(failed) >> 20);
        return text.empty() ? "no image was fetched" : text;
    }

    // In the background.
    void fetch(const Command& command, const Cancel& cancel) {
        if (auto done = fetched(command, cancel); !done)
            mailbox_.put(render_text(done.error()));
        else {
            mailbox_.put(fmt::format("fetched {} MiB, SHA-256 {}", done->size >> 20, done->sha256));
            if (command.options.contains("fetch-only"))
                return;
            if (auto prepared = prepare(command, *done); !prepared)
                mailbox_.put(render_text(prepared.error()));
        }
    }
    Status prepare(const Command& command, const Downloaded& image) {
        SLIPWAY_TRY(auto file,
                    sys::open_file(fmt::format("{}/{}", image_directory, image.sha256), O_RDONLY));
        std::string head(head_size, '\0');
        auto got = ::pread(file.raw(), head.data(), head.size(), 0);
        head.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        SLIPWAY_TRY(auto format, identify_image(head));
        mailbox_.put(fmt::format("the image is {}", name_of(format)));
        if (auto loaded = ModuleLoader::open().load("loop");
            !loaded && loaded.error().code != Code::NotFound)
            return loaded;
        SLIPWAY_TRY(auto root, ImageRoot::open(file, format, target_directory));
        SLIPWAY_TRY(auto init, find_init(root.path()));
        Entrance entrance{.root = std::move(root),
                          .init = std::move(init),
                          .digest = image.sha256,
                          .url = image.url.str(),
                          .return_after = options_.return_after,
                          .deadline = options_.deadline};
        if (auto after = command.options.find("return-after"); after != command.options.end()) {
            auto seconds = parse_number(after->second);
            if (!seconds)
                return fail(Code::InvalidArgument, "--return-after takes seconds");
            entrance.return_after = std::chrono::seconds(*seconds);
        }
        std::lock_guard guard(ready_lock_);
        ready_ = std::move(entrance);
        return {};
    }
    Result<Downloaded> fetched(const Command& command, const Cancel& cancel) {
        DownloadRequest request;
        SLIPWAY_TRY(auto url, http::parse_url(command.arguments.at(0)));
        request.urls.push_back(std::move(url));
        if (auto mirror = command.options.find("mirror"); mirror != command.options.end()) {
            SLIPWAY_TRY(auto another, http::parse_url(mirror->second));
            request.urls.push_back(std::move(another));
        }
        if (auto digest = command.options.find("sha256"); digest != command.options.end())
            request.sha256 = to_lower(digest->second);
        auto available = machine_memory().available;
        request.limit = available > own_reserve ? available - own_reserve : 1;
        request.on_progress = [this](const Progress& progress) {
            mailbox_.put(render_progress(progress, 79), true);
        };
        request.on_retry = [this](const Error& error) { mailbox_.put(render_line(error)); };
        bool insecure = options_.insecure || command.options.contains("insecure");
        if (insecure)
            mailbox_.put("WARNING: certificates are not checked");
        SLIPWAY_TRY(auto client, http::Client::open({.insecure = insecure}));
        auto path = std::string(image_directory) + "/.new";
        SLIPWAY_TRY(auto file, sys::open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
        auto done = download(client, request, file, cancel);
        if (!done)
            ::unlink(path.c_str());
        else if (::rename(path.c_str(),
                          fmt::format("{}/{}", image_directory, done->sha256).c_str()) != 0)
            return fail_errno("keeping the image");
        return done;
    }

    BootOptions options_{};
    Consoles consoles_{prompt};
    std::set<std::string> opened_;
    std::deque<std::string> log_;
    ModuleLoader modules_;
    Keyboards keyboards_;
    Mailbox mailbox_;
    std::mutex ready_lock_;
    std::optional<Entrance> ready_; ///< prepared in the background
    std::unique_ptr<Visit> visit_;
    Work work_; ///< ends first
};

} // namespace

void run_bootstrap() {
    (void)::signal(SIGPIPE, SIG_IGN);
    if (::getpid() == 1) {
        ::umask(022);
        [[maybe_unused]] auto moved = leave_rootfs(); // told by `status`, where it matters
    }
    static Bootstrap bootstrap; // never destroyed: the process does not end
    bootstrap.start();
    while (true)
        bootstrap.turn();
}

} // namespace slipway::boot
