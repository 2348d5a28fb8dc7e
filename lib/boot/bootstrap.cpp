// SPDX-License-Identifier: Apache-2.0
#include "boot/bootstrap.hpp"

#include <csignal>
#include <deque>
#include <filesystem>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "boot/about.hpp"
#include "boot/consoles.hpp"
#include "boot/errands.hpp"
#include "boot/keyboards.hpp"
#include "boot/machine.hpp"
#include "boot/modules.hpp"
#include "boot/remote.hpp"
#include "boot/shell.hpp"
#include "boot/state.hpp"
#include "boot/visit.hpp"
#include "sys/machine_memory.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;

constexpr auto prompt = "[bootstrap] # ";
constexpr auto state_directory = "/run/slipway";
constexpr std::size_t kept_lines = 1000;
constexpr int poll_interval_ms = 200;

class Bootstrap {
public:
    explicit Bootstrap(network::WallTime built) : errands_(options_, states_, mailbox_, built) {}
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
        say(fmt::format("Slipway's bootstrap, {} MiB of memory",
                        sys::machine_memory().total >> 20));
        for (const auto& complaint : options_.complaints)
            say(complaint);
        for (const auto& error : modules_.load_for_devices())
            say(render_line(error));
        open_consoles();                                            // of drivers that were modules
        for (const auto* name : {"evdev", "usbhid", "hid_generic"}) // for keyboards that come later
            std::ignore = modules_.load(name);
        keyboards_.open();
        note("the directories of images", make_directories());
        set_state([](State&) {});
        errands_.bring_up();
        start_remote();
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
        while (!visit_ && !shell_ && !errands_.is_running() &&
               ::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        for (const auto& heard : consoles_.hear(polls))
            take(heard);
        if (keyboards_.was_pressed(polls))
            come_back("Ctrl+Alt+F12");
        if (shell_ && shell_->is_over())
            shell_.reset();
        if (!shell_)
            attend_visit(polls);
        read_mail();
        if (remote_)
            attend_remote();
    }

private:
    void read_mail() {
        for (const auto& letter : mailbox_.take()) {
            if (letter.passing)
                consoles_.say_passing(letter.text);
            else
                say(letter.text);
        }
    }
    void attend_visit(const std::vector<pollfd>& polls) {
        // Its last words come before what it has come to.
        if (!visit_)
            if (auto outcome = errands_.take_outcome()) {
                read_mail();
                take_outcome(std::move(*outcome));
            }
        if (!visit_)
            return;
        visit_->turn(polls);
        if (!visit_->is_over())
            return offer_reboot();
        told_of_stuck_ = false;
        auto ended = visit_->finish(consoles_);
        visit_.reset();
        errands_.hold_network(false);
        set_state([&](State& state) {
            state.phase = Phase::Bootstrap;
            state.target_pid = 0;
            ++state.returns;
            state.last_leaks = ended.left;
        });
        auto how = fmt::format("{}\n{}", ended.how, ended.left);
        say(how);
        for (auto order : std::exchange(waiting_for_return_, {}))
            answer(order, std::nullopt, how);
    }
    void take_outcome(Errands::Outcome outcome) {
        if (!outcome.entrance)
            return answer(outcome.order, outcome.error);
        auto text = fmt::format("entering {}", outcome.entrance->url);
        say(text);
        errands_.hold_network(true);
        auto visit = Visit::start(std::move(*outcome.entrance), consoles_, first_);
        set_state([&](State& state) {
            state.phase = visit ? Phase::Target : Phase::Bootstrap;
            state.entries += visit ? 1 : 0;
            state.target_pid = visit ? (*visit)->pid() : 0;
        });
        errands_.hold_network(visit.has_value());
        if (visit)
            visit_ = std::move(*visit);
        answer(outcome.order, visit ? std::nullopt : std::optional(visit.error()), text);
    }
    // To whoever gave the order; errors to those at the consoles, too.
    void answer(OrderNumber order, const std::optional<Error>& error,
                const std::string& text = {}) {
        if (error)
            say(render_text(*error));
        if (order != 0 && remote_)
            remote_->answer(order, error, text);
    }

    void start_remote() {
        if (options_.server.empty())
            return;
        auto remote = Remote::start_for(options_);
        if (!remote)
            return say(render_text(remote.error()));
        remote_ = std::move(*remote);
    }
    void attend_remote() {
        for (const auto& news : remote_->take_news())
            say(news);
        for (const auto& order : remote_->take_orders()) {
            if (order.kind == Order::Kind::Keys)
                for (const auto& heard : consoles_.type(order.text))
                    take(heard);
            else if (order.kind == Order::Kind::Command)
                take_order(order);
            else if (auto view = view_screen())
                remote_->show(order.number, std::move(*view));
            else
                remote_->answer(order.number, view.error());
        }
        if (auto written = consoles_.take_mirrored(); !written.empty())
            remote_->tell_console(written);
        constexpr std::chrono::seconds between_states{3};
        auto state = states_.state();
        if (auto now = Clock::now(); now >= next_state_ || state.phase != told_phase_) {
            next_state_ = now + between_states;
            told_phase_ = state.phase;
            remote_->tell_state(about_now(state, under_way()));
        }
    }
    void take_order(const Order& order) {
        auto command = parse_command(order.text);
        if (!command)
            return remote_->answer(order.number, command.error());
        if (command->name == "shell")
            return remote_->answer(order.number, Error{.code = Code::Unsupported,
                                                       .what = "a shell runs on a console",
                                                       .hint = "type it there"});
        say("by remote control: " + order.text);
        run(*command, "", order.number);
    }
    // Of a system that does not end: nothing else is left.
    void offer_reboot() {
        auto why = visit_->stuck();
        if (why.empty() || told_of_stuck_)
            return;
        told_of_stuck_ = true;
        consoles_.take_back();
        say(fmt::format("the image's system does not end: {}. Wait for it, or `reboot`", why));
    }
    void say(const std::string& text) {
        log_.push_back(text);
        if (log_.size() > kept_lines)
            log_.pop_front();
        consoles_.say(text);
        if (remote_)
            remote_->tell_line(text);
    }
    Status make_directories() const {
        ::mkdir(state_directory, 0755);
        // Where the files of the state are looked for.
        ::mkdir("/var", 0755);
        std::ignore = ::symlink("/run", "/var/run");
        return errands_.make_directories();
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

    void take(const Consoles::Heard& heard) {
        if (heard.come_back)
            return come_back("RETURN_TO_BOOTSTRAP on " + heard.console);
        if (heard.interrupted && errands_.is_running())
            return errands_.stop();
        auto command = parse_command(heard.line);
        if (!command)
            say(render_text(command.error()));
        else if (!command->name.empty())
            run(*command, heard.console, 0);
        else
            consoles_.show_prompt();
    }

    void run(const Command& command, const std::string& console, OrderNumber order) {
        auto tell = [&](const std::string& text) {
            consoles_.say(text);
            answer(order, std::nullopt, text);
        };
        auto argument = command.arguments.empty() ? "" : command.arguments[0];
        if (command.name == "help")
            return tell(help_text(argument));
        if (command.name == "status")
            return tell(about_now_text(states_.state(), under_way()));
        if (command.name == "list")
            return tell(images());
        if (command.name == "log")
            return tell(join({log_.begin(), log_.end()}, "\n"));
        if (command.name == "reboot" || command.name == "poweroff") {
            say(command.name + " ...");
            answer(order, std::nullopt);
            if (remote_) // that it is heard
                std::this_thread::sleep_for(std::chrono::milliseconds(500));
            end_machine(command.name);
        }
        if (command.name == "return")
            return order_return(order);
        if (command.name == "shell")
            return start_shell(console);
        if (auto free = check_free(); !free)
            return answer(order, free.error());
        if (command.name == "load")
            errands_.load(command, order);
        else if (command.name == "verify")
            errands_.verify(argument, order);
    }
    void order_return(OrderNumber order) {
        if (!visit_)
            return answer(order, Error{.code = Code::NotFound,
                                       .what = "nothing runs: there is nothing to come back from"});
        if (order != 0)
            waiting_for_return_.push_back(order);
        come_back("return by remote control");
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
    Status check_free() {
        if (visit_)
            return fail(Code::Busy, "an image is entered", "come back from it first");
        if (!errands_.is_idle())
            return fail(Code::Busy, fmt::format("{} is under way", errands_.name()),
                        "Ctrl-C stops it");
        if (shell_)
            return fail(Code::Busy, "a shell runs on a console", "end it first");
        return {};
    }

    [[nodiscard]] std::string under_way() const {
        return errands_.is_running() ? errands_.name() : "";
    }

    [[nodiscard]] std::string images() const {
        std::string text;
        for (const auto& image : errands_.images())
            text += loading::render_image(image);
        return text.empty() ? "no image was fetched" : text;
    }

    BootOptions options_{};
    Consoles consoles_{prompt};
    std::set<std::string> opened_;
    std::deque<std::string> log_;
    ModuleLoader modules_;
    Keyboards keyboards_;
    Mailbox mailbox_;
    StateFiles states_;
    FirstProcess first_;
    std::unique_ptr<Visit> visit_;
    bool told_of_stuck_ = false;
    std::unique_ptr<Shell> shell_;
    std::vector<OrderNumber> waiting_for_return_;
    std::unique_ptr<Remote> remote_;
    Clock::time_point next_state_{}; ///< when the server is told of this one
    Phase told_phase_ = Phase::Bootstrap;
    Errands errands_; ///< ends first
};

} // namespace

void run_bootstrap(network::WallTime built) {
    (void)::signal(SIGPIPE, SIG_IGN);
    static Bootstrap bootstrap(built); // never destroyed: the process does not end
    bootstrap.start();
    while (true)
        bootstrap.turn();
}

} // namespace slipway::boot
