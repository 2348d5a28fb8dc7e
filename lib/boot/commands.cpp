// SPDX-License-Identifier: Apache-2.0
#include "boot/commands.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::boot {
namespace {

struct OptionRow {
    std::string_view name;
    std::string_view value; ///< what its value is called; "": a switch
    std::string_view means;
};
struct CommandRow {
    std::string_view name;
    std::string_view arguments; ///< in usage; those in brackets may be left out
    std::string_view means;
    std::vector<OptionRow> options{};
};

const std::vector<CommandRow>& rows() {
    static const std::vector<CommandRow> all{
        {"load",
         "IMAGE",
         "fetch an image, by its URL or its name at the boot server, and enter it",
         {{"sha256", "DIGEST", "what its digest must be; otherwise URL.sha256 is asked for"},
          {"mirror", "URL", "where to get it if the first server fails"},
          {"entry", "WAY", "contained, native or kexec"},
          {"persist", "LABEL", "keep what it writes on the disk with this label"},
          {"lazy", "", "enter it before all of it is here (squashfs, erofs)"},
          {"blocks-sha256", "DIGEST", "what the digest of its list of blocks must be"},
          {"return-after", "SECONDS", "come back after so long"},
          {"insecure", "", "take any certificate"},
          {"fetch-only", "", "do not enter it"}}},
        {"return", "", "end the image that runs, and come back"},
        {"status", "", "what runs, since when, memory and network"},
        {"list", "", "images that were fetched"},
        {"verify", "[DIGEST]", "compute the digests of fetched images again"},
        {"log", "", "what happened so far"},
        {"shell", "", "a shell, where the initramfs has one"},
        {"reboot", "", "start the machine again"},
        {"poweroff", "", "switch the machine off"},
        {"help", "[COMMAND]", "this, or how one is used"},
    };
    return all;
}

const CommandRow* row_of(std::string_view name) {
    auto found = std::find_if(rows().begin(), rows().end(),
                              [&](const CommandRow& row) { return row.name == name; });
    return found == rows().end() ? nullptr : &*found;
}

Result<std::vector<std::string>> words_of(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (char byte : line) {
        if (quote != 0) {
            if (byte == quote)
                quote = 0;
            else
                word += byte;
        } else if (byte == '"' || byte == '\'') {
            quote = byte;
            in_word = true;
        } else if (byte == ' ' || byte == '\t') {
            if (in_word)
                words.push_back(std::exchange(word, {}));
            in_word = false;
        } else {
            word += byte;
            in_word = true;
        }
    }
    if (quote != 0)
        return fail(Code::InvalidArgument, fmt::format("a quote {} is not closed", quote));
    if (in_word)
        words.push_back(word);
    return words;
}

tl::unexpected<Error> usage_error(const CommandRow& row, const std::string& what) {
    return fail(Code::InvalidArgument, what, fmt::format("help {}", row.name));
}

} // namespace

Result<Command> parse_command(std::string_view line) {
    SLIPWAY_TRY(auto words, words_of(line));
    if (words.empty())
        return Command{};
    const auto* row = row_of(words[0]);
    if (row == nullptr)
        return fail(Code::InvalidArgument,
                    fmt::format("there is no command {}", printable(words[0])), "help");
    Command command{.name = words[0]};
    for (std::size_t at = 1; at < words.size(); ++at) {
        if (!words[at].starts_with("--")) {
            command.arguments.push_back(words[at]);
            continue;
        }
        auto name = words[at].substr(2, words[at].find('=') - 2);
        auto option = std::find_if(row->options.begin(), row->options.end(),
                                   [&](const OptionRow& each) { return each.name == name; });
        if (option == row->options.end())
            return usage_error(*row,
                               fmt::format("{} has no option --{}", row->name, printable(name)));
        bool has_value = words[at].find('=') != std::string::npos;
        if (has_value && option->value.empty())
            return usage_error(*row, fmt::format("--{} takes no value", name));
        if (!has_value && !option->value.empty() && at + 1 == words.size())
            return usage_error(*row, fmt::format("--{} lacks its {}", name, option->value));
        auto& value = command.options[name];
        if (has_value)
            value = words[at].substr(words[at].find('=') + 1);
        else if (!option->value.empty())
            value = words[++at];
    }
    bool needs = !row->arguments.empty() && !row->arguments.starts_with('[');
    if (command.arguments.size() < (needs ? 1U : 0U))
        return usage_error(*row, fmt::format("{} lacks its {}", row->name, row->arguments));
    if (command.arguments.size() > (row->arguments.empty() ? 0U : 1U))
        return usage_error(*row, fmt::format("{} does not take '{}'", row->name,
                                             printable(command.arguments.back())));
    return command;
}

std::string help_text(std::string_view name) {
    std::string text;
    if (const auto* row = row_of(name); row != nullptr) {
        text = fmt::format("{} {}\n    {}\n", row->name, row->arguments, row->means);
        for (const auto& option : row->options)
            text += fmt::format("    {:24} {}\n", fmt::format("--{} {}", option.name, option.value),
                                option.means);
        return text;
    }
    for (const auto& row : rows())
        text +=
            fmt::format("  {:20} {}\n", fmt::format("{} {}", row.name, row.arguments), row.means);
    return text +
           "  To come back from an image: Ctrl+Alt+F12, RETURN_TO_BOOTSTRAP on a serial line,\n"
           "  or /.bootstrap-return in the image.\n";
}

} // namespace slipway::boot
