// SPDX-License-Identifier: Apache-2.0
#include "boot/bootstrap.hpp"

#include <algorithm>
#include <csignal>
#include <deque>
#include <filesystem>
#include <mutex>
#include <tuple>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "boot/background.hpp"
#include "boot/clock.hpp"
#include "boot/commands.hpp"
#include "boot/consoles.hpp"
#include "boot/keyboards.hpp"
#include "boot/loader.hpp"
#include "boot/machine.hpp"
#include "boot/modules.hpp"
#include "boot/network.hpp"
#include "boot/shell.hpp"
#include "boot/state.hpp"
#include "boot/visit.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

constexpr auto prompt = "[bootstrap] # ";
constexpr auto state_directory = "/run/slipway";
constexpr std::size_t kept_lines = 1000;
constexpr int poll_interval_ms = 200;

class Bootstrap {
public:
    explicit Bootstrap(WallTime built) : built_(built) {}
    void start() {
        note("the filesystems", mount_own_filesystems());
        note("the control groups", leave_root_cgroup());
        if (auto first = FirstProcess::listen())
            first_ = std::move(*first);
        note("memory", protect_this_process());
        options_ = read_boot_options(sys::read_file("/proc/cmdline").value_or(""));
        modules_ = ModuleLoader::open();
        if (options_.debug)
            modules_.tell([this](const std::string& file) { say("module " + file); });
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
        note("the directories of images", make_directories());
        set_state([](State&) {});
        work_.start("the network", [this](const Cancel& cancel) { start_network(cancel); });
        consoles_.show_prompt();
    }

    void turn() {
        std::vector<pollfd> polls;
        consoles_.add_polls(polls);
        keyboards_.add_polls(polls);
        if (visit_)
            visit_->add_polls(polls);
        if (shell_)
            shell_->add_polls(polls);
        ::poll(polls.data(), polls.size(), poll_interval_ms);
        // Orphans are ours; other children are waited for by whoever started them.
        while (!visit_ && !shell_ && !work_.is_running() && ::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        for (const auto& heard : consoles_.hear(polls))
            take(heard);
        if (keyboards_.was_pressed(polls))
            come_back("Ctrl+Alt+F12");
        if (shell_ && shell_->is_over())
            shell_.reset();
        if (!shell_)
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
            auto visit = Visit::start(std::move(*entrance), consoles_, first_);
            set_state([&](State& state) {
                state.phase = visit ? Phase::Target : Phase::Bootstrap;
                state.entries += visit ? 1 : 0;
                state.target_pid = visit ? (*visit)->pid() : 0;
            });
            if (!visit)
                return say(render_text(visit.error()));
            visit_ = std::move(*visit);
            return;
        }
        if (!visit_)
            return;
        visit_->turn(polls);
        if (!visit_->is_over())
            return offer_reboot();
        told_of_stuck_ = false;
        auto ended = visit_->finish(consoles_);
        visit_.reset();
        set_state([&](State& state) {
            state.phase = Phase::Bootstrap;
            state.target_pid = 0;
            ++state.returns;
            state.last_leaks = ended.left;
        });
        say(fmt::format("{}\n{}", ended.how, ended.left));
    }
    // Of a native system that does not end: nothing else is left.
    void offer_reboot() {
        if (!visit_->is_stuck() || told_of_stuck_)
            return;
        told_of_stuck_ = true;
        consoles_.take_back();
        say("the image's system does not end. It is the machine's PID 1, which cannot be killed: "
            "wait for it, or `reboot`");
    }
    bool is_ready() {
        std::lock_guard guard(ready_lock_);
        return ready_.has_value();
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
    Status make_directories() const {
        ::mkdir(state_directory, 0755);
        // Where the files of the state are looked for.
        ::mkdir("/var", 0755);
        std::ignore = ::symlink("/run", "/var/run");
        for (const auto& directory : {loader_options_.images, loader_options_.target})
            ::mkdir(directory.c_str(), 0700);
        // Of its own: /run has half of the memory, and images may need more.
        return sys::mount({.source = "slipway-images",
                           .target = loader_options_.images,
                           .type = "tmpfs",
                           .options = "mode=0700,size=100%"});
    }
    void set_state(const std::function<void(State&)>& change) {
        if (auto changed = states_.change(change); !changed)
            mailbox_.put("the state: " + render_line(changed.error()));
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
        if (!options_.ntp.empty())
            time_servers_ = {options_.ntp};
        else
            for (auto server : up->lease.time_servers)
                time_servers_.push_back(to_text(server));
        if (!time_servers_.empty())
            see_to_clock(std::nullopt, cancel);
        if (!options_.image_url.empty())
            load({.name = "load", .arguments = {options_.image_url}}, cancel);
    }

    void take(const Consoles::Heard& heard) {
        if (heard.come_back)
            return come_back("RETURN_TO_BOOTSTRAP on " + heard.console);
        if (heard.interrupted && work_.is_running())
            return work_.stop();
        auto command = parse_command(heard.line);
        if (!command)
            say(render_text(command.error()));
        else if (!command->name.empty())
            run(*command, heard.console);
        else
            consoles_.show_prompt();
    }

    void run(const Command& command, const std::string& console) {
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
        if (command.name == "return")
            return say("nothing runs: there is nothing to come back from");
        if (command.name == "load")
            return work("a load", [this, command](const Cancel& cancel) { load(command, cancel); });
        if (command.name == "verify")
            return work("verifying", [this, command](const Cancel& cancel) {
                auto digest = command.arguments.empty() ? "" : command.arguments[0];
                if (auto done = loader_.verify(digest, cancel); !done)
                    mailbox_.put(render_text(done.error()));
            });
        if (command.name == "shell")
            start_shell(console);
    }
    void start_shell(const std::string& console) {
        if (shell_)
            return say("a shell runs on another console");
        auto shell = Shell::start(consoles_, console);
        if (!shell)
            return say(render_text(shell.error()));
        shell_ = std::move(*shell);
    }
    void come_back(const std::string& why) {
        shell_.reset();
        if (visit_)
            visit_->come_back(why);
    }
    // One at a time: two loads would share memory that each has counted for itself.
    void work(const std::string& name, std::function<void(const Cancel&)> task) {
        if (!work_.ends_soon())
            return say(fmt::format("{} is under way: Ctrl-C stops it", work_.name()));
        if (shell_)
            return say("a shell runs on another console: end it first");
        if (visit_ || is_ready())
            return say("an image is entered: come back from it first");
        work_.start(name, std::move(task));
    }

    [[nodiscard]] std::string status() const {
        auto memory = machine_memory();
        auto text = render_status(states_.state(), machine_uptime());
        text += fmt::format("memory     {} MiB, {} MiB free\n", memory.total >> 20,
                            memory.available >> 20);
        if (auto links = ethernet_links())
            for (const auto& link : *links)
                text +=
                    fmt::format("{:10} {}{}\n", link.name, link.has_carrier ? "" : "no carrier ",
                                join(addresses_of(link.name), ", "));
        return text + fmt::format("under way  {}\n", work_.is_running() ? work_.name() : "nothing");
    }

    [[nodiscard]] std::string images() const {
        std::string text;
        for (const auto& image : loader_.store().list())
            text += render_image(image);
        return text.empty() ? "no image was fetched" : text;
    }

    // In the background: certificates have dates.
    void see_to_clock(const std::optional<http::Url>& url, const Cancel& cancel) {
        if (clock_was_set_)
            return;
        auto done = set_clock({.servers = time_servers_, .web = url, .not_before = built_}, cancel);
        clock_was_set_ = done.has_value();
        set_state([](State&) {}); // the times in it are others now
        mailbox_.put(done ? *done : "the clock was not set: " + render_line(done.error()));
    }

    // In the background.
    void load(const Command& command, const Cancel& cancel) {
        set_state([&](State& state) {
            state.phase = Phase::Loading;
            state.image_url = command.arguments.at(0);
            state.image_digest.clear();
        });
        auto done = try_to_load(command, cancel);
        if (!done)
            mailbox_.put(render_text(done.error()));
        if (!done || command.options.contains("fetch-only"))
            set_state([](State& state) { state.phase = Phase::Bootstrap; });
    }
    Status try_to_load(const Command& command, const Cancel& cancel) {
        SLIPWAY_TRY(auto request, read_load(command, options_));
        auto secure = std::find_if(request.urls.begin(), request.urls.end(),
                                   [](const http::Url& url) { return url.secure; });
        if (secure != request.urls.end())
            see_to_clock(*secure, cancel);
        SLIPWAY_TRY(auto image, loader_.fetch(request, cancel));
        set_state([&](State& state) {
            state.image_url = image.url;
            state.image_digest = image.digest;
        });
        if (command.options.contains("fetch-only"))
            return {};
        SLIPWAY_TRY(auto entrance, loader_.prepare(request, image));
        std::lock_guard guard(ready_lock_);
        ready_ = std::move(entrance);
        return {};
    }

    WallTime built_;
    BootOptions options_{};
    std::vector<std::string> time_servers_; ///< of the background
    bool clock_was_set_ = false;            ///< of the background
    Consoles consoles_{prompt};
    std::set<std::string> opened_;
    std::deque<std::string> log_;
    ModuleLoader modules_;
    Keyboards keyboards_;
    Mailbox mailbox_;
    LoaderOptions loader_options_{
        .say = [this](const std::string& text) { mailbox_.put(text); },
        .say_passing = [this](const std::string& text) { mailbox_.put(text, true); }};
    Loader loader_{loader_options_};
    StateFiles states_;
    std::mutex ready_lock_;
    std::optional<Entrance> ready_; ///< prepared in the background
    FirstProcess first_;
    std::unique_ptr<Visit> visit_;
    bool told_of_stuck_ = false;
    std::unique_ptr<Shell> shell_;
    Background work_; ///< ends first
};

} // namespace

void run_bootstrap(WallTime built) {
    (void)::signal(SIGPIPE, SIG_IGN);
    static Bootstrap bootstrap(built); // never destroyed: the process does not end
    bootstrap.start();
    while (true)
        bootstrap.turn();
}

} // namespace slipway::boot
