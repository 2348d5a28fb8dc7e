// SPDX-License-Identifier: Apache-2.0
// One boot: the machine, its console, and when to stop.
#include <algorithm>
#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/passphrases.hpp"
#include "ops/prove.hpp"
#include "sys/output_file.hpp"
#include "vm/accelerator.hpp"
#include "vm/console.hpp"
#include "vm/uefi_firmware.hpp"

namespace slipway::ops {
namespace {

constexpr int poll_ms = 100;
constexpr double after_failure = 3;              // seconds: what comes then may belie or explain it
constexpr std::chrono::seconds before_typing(1); // who asks first prints, then turns the echo off
constexpr std::chrono::seconds before_typing_again(10);
constexpr unsigned most_answers_to_one_question = 3;
constexpr double firmware_silence = 40; // of the firmware, and of a boot sector that reads nothing
constexpr double failing_loader_silence = 15;
constexpr double silence_for_direct = 20; // until_kernel only
constexpr double silence_of_kernel = 4;
constexpr std::uint64_t loader_reads =
    1 << 20; // bytes; GRUB reads more before its menu, no boot sector alone does
constexpr unsigned most_restarts = 3; // one or two are by right, as after relabelling for SELinux
constexpr std::size_t tail_lines = 25;
constexpr std::size_t kept_stderr = 4096;

// QEMU's command line with the descriptors that it inherits.
class Machine {
public:
    [[nodiscard]] static Result<Machine> describe(const ProveRequest& request,
                                                  const vm::Accelerator& accelerator) {
        Machine machine(request, accelerator.name);
        if (request.direct)
            machine.load_kernel(*request.direct);
        else if (request.firmware == vm::Firmware::Uefi)
            SLIPWAY_CHECK(machine.add_uefi());
        return machine;
    }
    [[nodiscard]] sys::ProcessSpec process() const {
        sys::ProcessSpec process{.argv = vm::qemu_argv(spec_), .fds = fds_};
        process.confinement = confinement_;
        return process;
    }

private:
    Machine(const ProveRequest& request, const std::string& accelerator)
        : spec_{.accelerator = accelerator,
                .memory_mib = request.memory_mib,
                .disks = {{request.disk.node, request.bus}}},
          fds_(request.disk.fds), confinement_(vm::qemu_confinement(accelerator)) {
        confinement_.read_fds = request.disk.read_fds;
        confinement_.write_fds = request.disk.write_fds;
    }
    // The path by which QEMU opens a descriptor.
    std::string lend(sys::BorrowedFd fd, std::vector<int>& allowed) {
        int number = 20;
        for (const auto& mapping : fds_)
            number = std::max(number, mapping.child + 1);
        fds_.push_back({fd, number});
        allowed.push_back(number);
        return sys::proc_path(number);
    }
    void load_kernel(const ProveRequest::DirectBoot& direct) {
        spec_.direct =
            vm::DirectKernel{lend(direct.kernel, confinement_.read_fds), "", direct.cmdline};
        if (direct.initrd.valid())
            spec_.direct->initrd = lend(direct.initrd, confinement_.read_fds);
    }
    Status add_uefi() {
        constexpr std::size_t largest_vars = 16 << 20;
        SLIPWAY_TRY(auto installed, vm::find_uefi_firmware());
        SLIPWAY_TRY(auto vars, sys::read_file(installed.vars, largest_vars));
        SLIPWAY_TRY(uefi_vars_, sys::make_scratch_file(scratch_directory()));
        SLIPWAY_CHECK(sys::write_all(uefi_vars_, vars));
        spec_.uefi = vm::UefiFiles{installed.code, lend(uefi_vars_, confinement_.write_fds)};
        return {};
    }

    vm::QemuSpec spec_;
    std::vector<sys::FdMapping> fds_;
    sys::Confinement confinement_;
    sys::OwnedFd uefi_vars_;
};

// What a process has read so far in bytes, or nothing once it has ended (proc(5)).
std::optional<std::uint64_t> bytes_read_by(pid_t pid) {
    constexpr std::string_view field = "rchar: ";
    auto text = sys::read_file(fmt::format("/proc/{}/io", pid));
    if (!text || !text->starts_with(field))
        return std::nullopt;
    return parse_number(
        std::string_view(*text).substr(field.size(), text->find('\n') - field.size()));
}

// Watches a machine until it has shown what it will show.
class Watch {
public:
    Watch(const Context& context, const ProveRequest& request)
        : host_(context.host), request_(request), passphrases_(request.keys) {}

    Status start(sys::ProcessSpec process) {
        SLIPWAY_TRY(auto out, sys::make_pipe());
        SLIPWAY_TRY(auto err, sys::make_pipe());
        std::pair<sys::OwnedFd, sys::OwnedFd> keyboard;
        if (passphrases_.any()) { // a socket: writing to one whose end is gone can raise no signal
            SLIPWAY_TRY(keyboard, sys::make_socket_pair());
            process.fds.push_back({keyboard.second, 0});
        }
        process.fds.push_back({out.second, 1});
        process.fds.push_back({err.second, 2});
        auto child = host_.runner->start(process);
        if (!child && child.error().code == Code::NotFound)
            return fail(vm::qemu_is_missing());
        SLIPWAY_TRY(child_, std::move(child));
        argv_ = process.argv;
        keyboard_ = std::move(keyboard.first);
        out_ = std::move(out.first);
        err_ = std::move(err.first);
        started_ = last_output_ = Clock::now();
        return {};
    }

    Status run() {
        while (!finished()) {
            SLIPWAY_CHECK(host_.cancel.check());
            wait_for_output();
            answer_question();
            look_for_silent_loader();
            show_progress();
        }
        return out_.valid() ? Status{} : explain_end();
    }

    [[nodiscard]] ProveResult result() const {
        ProveResult result{.reached = trace_.reached(),
                           .login = trace_.reached() == vm::Stage::Login};
        for (const auto& sighting : trace_.sightings())
            result.stages.push_back({sighting.stage, sighting.seconds,
                                     passphrases_.redacted(sighting.evidence),
                                     request_.direct ? "direct-kernel" : "serial"});
        if (silent_loader_ && result.reached == vm::Stage::Firmware) {
            result.reached = vm::Stage::BootLoader;
            result.stages.push_back(*silent_loader_);
        }
        result.console_tail = passphrases_.redacted(console_.tail(tail_lines));
        result.likely_cause = passphrases_.redacted(likely_cause());
        if (still_waits())
            result.waits_for_passphrase = question_->volume;
        result.seconds = seconds_since(started_);
        return result;
    }

private:
    [[nodiscard]] bool finished() const {
        if (trace_.reached() == vm::Stage::Login || !out_.valid() ||
            seconds_since(started_) >= static_cast<double>(request_.timeout.count()))
            return true;
        if (still_waits() && seconds_since(question_->asked) >= after_failure)
            return true;
        if ((failed_at_ && seconds_since(*failed_at_) >= after_failure) ||
            trace_.restarts() >= most_restarts)
            return true;
        auto silence = seconds_since(last_output_);
        bool started_kernel = trace_.handed_over() || trace_.reached() >= vm::Stage::Kernel;
        if (request_.until_kernel)
            return silence >= (started_kernel ? silence_of_kernel : silence_for_direct);
        // Only what prints through the BIOS is known to be heard here.
        if (request_.firmware != vm::Firmware::Bios || request_.direct || started_kernel)
            return false;
        return trace_.failure() ? silence >= failing_loader_silence
                                : stage() < vm::Stage::BootLoader && silence >= firmware_silence;
    }

    // Asked, not answered, and the boot has not gone on without.
    [[nodiscard]] bool still_waits() const {
        return question_ && question_->no_answer && trace_.reached() == question_->stage;
    }

    // A line that goes on growing is one question, whatever is printed or echoed behind it.
    void notice_question(std::string_view line) {
        if (question_ && question_->line == ended_lines_)
            return;
        if (auto prompt = vm::passphrase_prompt(line))
            question_ = Question{.line = ended_lines_,
                                 .volume = prompt->volume,
                                 .stage = trace_.reached(),
                                 .asked = Clock::now(),
                                 .due = Clock::now() + before_typing};
    }

    // Who reads an answer ends the line at once. One that was typed too early is lost, for the
    // input is thrown away when the echo goes off.
    void answer_question() {
        if (!question_ || question_->no_answer || Clock::now() < question_->due)
            return;
        auto& question = *question_;
        if (question.typed > 0 &&
            (question.line != ended_lines_ || question.typed >= most_answers_to_one_question))
            return;
        if (question.typed == 0)
            question.answer = passphrases_.next(question.volume);
        question.no_answer = question.answer == nullptr;
        if (question.no_answer)
            return;
        ++question.typed;
        question.due = Clock::now() + before_typing_again;
        for (auto text : {question.answer->expose(), std::string_view("\r")})
            (void)::send(keyboard_.raw(), text.data(), text.size(), MSG_NOSIGNAL);
    }

    // Ubuntu's GRUB prints nothing through the BIOS, but it reads a kernel.
    void look_for_silent_loader() {
        if (trace_.reached() != vm::Stage::Firmware || silent_loader_ || request_.direct)
            return;
        auto read = bytes_read_by(child_->pid());
        if (!read)
            return;
        if (!read_by_firmware_)
            read_by_firmware_ = read;
        if (*read - *read_by_firmware_ >= loader_reads)
            silent_loader_ = {vm::Stage::BootLoader, seconds_since(started_),
                              "it prints nothing, but has read more of the disk than firmware does",
                              "disk-reads"};
    }
    [[nodiscard]] vm::Stage stage() const {
        return silent_loader_ ? std::max(trace_.reached(), vm::Stage::BootLoader)
                              : trace_.reached();
    }

    void wait_for_output() {
        std::array<pollfd, 2> files{pollfd{out_.raw(), POLLIN, 0}, pollfd{err_.raw(), POLLIN, 0}};
        if (::poll(files.data(), files.size(), poll_ms) <= 0)
            return;
        std::array<char, 16384> buffer{};
        if (files[1].revents != 0) {
            auto got = ::read(err_.raw(), buffer.data(), buffer.size());
            if (got > 0)
                said_.append(buffer.data(), static_cast<std::size_t>(got));
            else if (got == 0)
                err_.reset();
            said_.erase(0, said_.size() - std::min(said_.size(), kept_stderr));
        }
        if (files[0].revents != 0) {
            auto got = ::read(out_.raw(), buffer.data(), buffer.size());
            if (got > 0)
                take({buffer.data(), static_cast<std::size_t>(got)});
            else if (got == 0 || errno != EINTR)
                out_.reset();
        }
    }

    void take(std::string_view bytes) {
        auto now = seconds_since(started_);
        last_output_ = Clock::now();
        console_.feed(bytes, [this, now](std::string_view line) {
            trace_.see(line, now);
            notice_question(line);
            ++ended_lines_;
        });
        trace_.see(console_.partial(), now);
        notice_question(console_.partial());
        bool failed = trace_.failure() && trace_.failure()->definite;
        if (!failed)
            failed_at_.reset();
        else if (!failed_at_)
            failed_at_ = last_output_;
    }

    void show_progress() {
        if (!host_.progress)
            return;
        auto spent =
            std::min(seconds_since(started_) / static_cast<double>(request_.timeout.count()), 1.0);
        auto step = trace_.reached() == vm::Stage::None
                        ? std::string("prove")
                        : fmt::format("prove: {}", vm::name_of(trace_.reached()));
        host_.progress({.step = step,
                        .done = static_cast<std::uint64_t>(spent * 1000),
                        .total = 1000,
                        .bytes = false});
    }

    // QEMU has ended by itself: the guest switched off, or QEMU failed.
    Status explain_end() {
        SLIPWAY_TRY(auto status, child_->wait(std::chrono::seconds(5)));
        if (status && *status != 0) {
            Error error{.code = Code::ToolFailed, .what = "booting the guest in QEMU"};
            error.tool = ToolFailure{argv_, *status, said_};
            return fail(std::move(error));
        }
        return {};
    }

    [[nodiscard]] std::string likely_cause() const {
        if (trace_.reached() == vm::Stage::Login)
            return {};
        if (still_waits())
            return passphrases_.why_waiting(question_->volume);
        if (const auto& failure = trace_.failure())
            return fmt::format("{} (\"{}\")", failure->likely_cause, failure->evidence);
        if (trace_.restarts() >= most_restarts)
            return fmt::format("the guest restarts again and again; the last stage seen was {}",
                               vm::name_of(trace_.reached()));
        if (!out_.valid())
            return fmt::format("the guest switched itself off; the last stage seen was {}",
                               vm::name_of(trace_.reached()));
        return request_.until_kernel && stage() >= vm::Stage::BootLoader
                   ? std::string()
                   : vm::cause_of_silence(stage());
    }

    struct Question {
        std::size_t line = 0; ///< of the console
        std::string volume;
        vm::Stage stage = vm::Stage::None;
        Clock::time_point asked{};
        Clock::time_point due{}; ///< of the next answer
        const storage::Secret* answer = nullptr;
        unsigned typed = 0; ///< times
        bool no_answer = false;
    };

    const sys::Host& host_;
    const ProveRequest& request_;
    Passphrases passphrases_;
    std::optional<Question> question_; ///< the last one
    std::size_t ended_lines_ = 0;
    sys::OwnedFd keyboard_; ///< the guest's serial port, for writing
    std::vector<std::string> argv_;
    sys::OwnedFd out_;
    sys::OwnedFd err_;
    std::unique_ptr<sys::Child> child_; ///< its destructor kills and reaps
    std::string said_;                  ///< end of QEMU's standard error
    vm::Console console_;
    vm::BootTrace trace_;
    Clock::time_point started_{};
    Clock::time_point last_output_{};
    std::optional<Clock::time_point> failed_at_;
    std::optional<std::uint64_t> read_by_firmware_; ///< bytes, when the firmware was first seen
    std::optional<StageEvidence> silent_loader_;
};

bool is_x86(const std::string& arch) {
    return arch.empty() || arch == "x86_64" || arch == "amd64" || arch == "i386" ||
           arch == "i486" || arch == "i586" || arch == "i686";
}

} // namespace

Result<ProveResult> prove_graph(const Context& context, const ProveRequest& request) {
    if (!is_x86(request.arch))
        return fail(Code::Unsupported,
                    fmt::format("prove boots x86 guests only, and this one is {}", request.arch));
    SLIPWAY_TRY(auto accelerator, vm::choose_accelerator(context.host));
    SLIPWAY_TRY(auto machine, Machine::describe(request, accelerator));
    Watch watch(context, request);
    SLIPWAY_CHECK(watch.start(machine.process()));
    SLIPWAY_CHECK(watch.run());
    auto result = watch.result();
    result.accelerator = accelerator.name;
    result.accelerator_reason = accelerator.reason;
    return result;
}

} // namespace slipway::ops
