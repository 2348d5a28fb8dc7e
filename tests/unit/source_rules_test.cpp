// SPDX-License-Identifier: Apache-2.0
// The rules of docs/architecture.md that a compiler does not know: layers, private third-party
// headers, sizes. Every breach is told in one line.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

Words split(const std::string& text, std::string_view separators) {
    Words words;
    for (std::size_t at = 0; (at = text.find_first_not_of(separators, at)) != std::string::npos;) {
        auto end = std::min(text.find_first_of(separators, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

/// The words of every call NAME(…) of a CMake file.
std::vector<Words> calls_of(const std::string& cmake, const std::string& name) {
    std::vector<Words> calls;
    auto start = "\n" + name + "(";
    for (std::size_t at = 0; (at = cmake.find(start, at)) != std::string::npos;) {
        at += start.size();
        calls.push_back(split(cmake.substr(at, cmake.find(')', at) - at), " \n\""));
    }
    return calls;
}

/// "a:b:c" of a list that CMake sets.
std::vector<Words> table_of(const std::string& cmake, const std::string& variable) {
    std::vector<Words> rows;
    for (const auto& call : calls_of(cmake, "set"))
        for (std::size_t i = 1; i < call.size() && call[0] == variable; ++i)
            rows.push_back(split(call[i], ":"));
    return rows;
}

struct ThirdParty {
    std::string prefix; ///< a header, or a folder with its slash
    std::string owner;
    std::string scope; ///< "", "public" or "everywhere"
};

struct Rules {
    std::map<std::string, int> layers;
    std::map<std::string, std::set<std::string>> depends;
    std::vector<ThirdParty> third_party;

    static Rules read_from(const fs::path& top) {
        Rules rules;
        auto modules = read(top / "cmake/Modules.cmake");
        for (const auto& row : table_of(modules, "SLIPWAY_LAYERS"))
            rules.layers[row.at(0)] = std::stoi(row.at(1));
        for (const auto& row : table_of(modules, "SLIPWAY_THIRD_PARTY"))
            rules.third_party.push_back({row.at(0), row.at(1), row.size() > 2 ? row[2] : ""});
        for (const auto& call : calls_of(read(top / "lib/CMakeLists.txt"), "slipway_module"))
            for (std::size_t i = 2; i < call.size() && call[i] != "EXTERNAL"; ++i)
                rules.depends[call[0]].insert(call[i]);
        return rules;
    }
};

/// A file below lib/ or apps/.
struct Source {
    fs::path path;      ///< from the top of the repository
    std::string module; ///< a folder of lib/, or "apps"
    std::string text;

    [[nodiscard]] bool is_header() const { return path.extension() == ".hpp"; }
};

std::vector<Source> sources_below(const fs::path& top) {
    std::vector<Source> sources;
    for (const std::string part : {"lib", "apps"})
        for (const auto& entry : fs::recursive_directory_iterator(top / part)) {
            auto path = entry.path().lexically_relative(top);
            if (path.extension() != ".cpp" && path.extension() != ".hpp")
                continue;
            auto module = part == "apps" ? part : std::next(path.begin())->string();
            sources.push_back({path, module, read(entry.path())});
        }
    std::sort(sources.begin(), sources.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return sources;
}

// Of the C++ library, the C library and the kernel.
bool is_system_header(const std::string& header) {
    static const std::set<std::string> known{
        "dirent.h",   "dlfcn.h",   "elf.h",   "endian.h",  "fcntl.h",  "fnmatch.h",
        "glob.h",     "grp.h",     "iconv.h", "ifaddrs.h", "malloc.h", "poll.h",
        "pwd.h",      "regex.h",   "sched.h", "signal.h",  "stdlib.h", "strings.h",
        "sysexits.h", "termios.h", "time.h",  "unistd.h"};
    if (header.find('.') == std::string::npos && header.find('/') == std::string::npos)
        return true;
    for (const std::string folder : {"sys/", "linux/", "net/", "netinet/", "arpa/"})
        if (header.starts_with(folder))
            return true;
    return known.contains(header);
}

/// Why a file may not include this, "" if it may.
std::string breach_of_third_party(const Rules& rules, const Source& source,
                                  const std::string& header) {
    auto known = std::find_if(
        rules.third_party.begin(), rules.third_party.end(), [&](const ThirdParty& each) {
            return each.prefix.ends_with('/') ? header.starts_with(each.prefix)
                                              : header == each.prefix;
        });
    if (known == rules.third_party.end())
        return is_system_header(header) ? "" : "<" + header + "> stands in no table";
    if (source.module != known->owner && (known->scope != "everywhere" || source.is_header()))
        return "<" + header + "> belongs to " + known->owner;
    if (source.is_header() && known->scope.empty())
        return "<" + header + "> is private and stands in a header";
    return {};
}

std::string breach_of_layers(const Rules& rules, const fs::path& top, const Source& source,
                             const std::string& included) {
    auto module = included.substr(0, included.find('/'));
    if (source.module == "apps") {
        if (fs::exists(top / source.path.parent_path() / included))
            return {};
        return rules.layers.contains(module) ? "" : "\"" + included + "\" is of no module";
    }
    if (included.starts_with("guestfs/generated/")) // the build makes it
        return source.module == "guestfs" ? "" : "\"" + included + "\" is private";
    if (!fs::exists(top / "lib" / included) || included.find("..") != std::string::npos)
        return "\"" + included + "\" is no file below lib/";
    if (module == source.module)
        return {};
    auto own = rules.layers.find(source.module), other = rules.layers.find(module);
    if (own == rules.layers.end() || other == rules.layers.end())
        return "\"" + included + "\": a module that is not in the layer table";
    if (other->second >= own->second)
        return "\"" + included + "\" is not of a lower layer";
    auto declared = rules.depends.find(source.module);
    if (declared == rules.depends.end() || !declared->second.contains(module))
        return "\"" + included + "\": " + source.module + " does not DEPEND on " + module;
    return {};
}

Words breaches_of_includes(const fs::path& top, const Rules& rules) {
    Words breaches;
    for (const auto& source : sources_below(top)) {
        int line_no = 0;
        for (std::size_t at = 0; at < source.text.size(); ++line_no) {
            auto end = std::min(source.text.find('\n', at), source.text.size());
            auto words = split(source.text.substr(at, end - at), " \t<>\"");
            auto is_system = source.text.substr(at, end - at).find('<') != std::string::npos;
            at = end + 1;
            if (words.size() < 2 || words[0] != "#include")
                continue;
            auto why = is_system ? breach_of_third_party(rules, source, words[1])
                                 : breach_of_layers(rules, top, source, words[1]);
            if (!why.empty())
                breaches.push_back(source.path.string() + ":" + std::to_string(line_no + 1) + ": " +
                                   why);
        }
    }
    return breaches;
}

std::ptrdiff_t most_lines(const Source& source) {
    if (source.is_header())
        return 200;
    return source.path.filename().string().starts_with("cmd_") ? 150 : 400;
}

Words breaches_of_form(const fs::path& top) {
    Words breaches;
    for (const auto& source : sources_below(top)) {
        auto lines = std::count(source.text.begin(), source.text.end(), '\n');
        auto path = source.path.string();
        if (lines > most_lines(source))
            breaches.push_back(path + ": " + std::to_string(lines) + " lines, at most " +
                               std::to_string(most_lines(source)));
        if (!source.text.starts_with("// SPDX-License-Identifier: Apache-2.0\n"))
            breaches.push_back(path + ": no licence in the first line");
        if (source.is_header() && source.text.find("\n#pragma once\n") == std::string::npos)
            breaches.push_back(path + ": no #pragma once");
    }
    for (const auto& module : fs::directory_iterator(top / "lib")) {
        if (!module.is_directory())
            continue;
        auto readme = read(module.path() / "README.md");
        auto name = module.path().filename().string();
        if (readme.empty())
            breaches.push_back("lib/" + name + ": no README.md");
        if (std::count(readme.begin(), readme.end(), '\n') > 40)
            breaches.push_back("lib/" + name + "/README.md: more than 40 lines");
        for (const std::string vague : {"util", "common", "helper", "manager"})
            if (name.find(vague) != std::string::npos)
                breaches.push_back("lib/" + name + ": a name that says nothing");
    }
    return breaches;
}

std::string joined(const Words& lines) {
    std::string text;
    for (const auto& line : lines)
        text += "\n" + line;
    return text;
}

const fs::path repository = SLIPWAY_SOURCE_DIR;

TEST(SourceRules, TablesAreRead) {
    auto rules = Rules::read_from(repository);
    EXPECT_EQ(rules.layers.at("base"), 0);
    EXPECT_GT(rules.layers.at("ops"), rules.layers.at("session"));
    EXPECT_TRUE(rules.depends.at("guest").contains("mount"));
    EXPECT_FALSE(rules.depends.at("guest").contains("PkgConfig::NETTLE"));
    EXPECT_GT(rules.third_party.size(), 10U);
    EXPECT_GT(sources_below(repository).size(), 150U);
}

TEST(SourceRules, EveryIncludeIsOfALowerLayerOrItsOwnersThirdParty) {
    auto breaches = breaches_of_includes(repository, Rules::read_from(repository));
    EXPECT_TRUE(breaches.empty()) << joined(breaches);
}

TEST(SourceRules, EveryFileKeepsToItsSizeAndForm) {
    auto breaches = breaches_of_form(repository);
    EXPECT_TRUE(breaches.empty()) << joined(breaches);
}

/// A small repository with breaches planted in it.
class PlantedBreach : public testing::Test {
protected:
    void SetUp() override {
        auto directory = testing::TempDir() + "slipway-rules-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        top_ = directory;
        write("cmake/Modules.cmake",
              "\nset(SLIPWAY_LAYERS\n    \"base:0\" \"sys:1\" \"report:1\" \"image:2\")\n"
              "set(SLIPWAY_THIRD_PARTY \"fmt/:base:everywhere\" \"tl/:base:public\" "
              "\"blkid/:image\")\n");
        write("lib/CMakeLists.txt",
              "\nslipway_module(base)\nslipway_module(sys DEPENDS base)\n"
              "slipway_module(report DEPENDS base)\n"
              "slipway_module(image DEPENDS sys EXTERNAL PkgConfig::BLKID)\n");
        fs::create_directories(top_ / "apps/slipway");
        for (const std::string module : {"base", "sys", "report", "image"}) {
            write("lib/" + module + "/README.md", "x\n");
            plant("lib/" + module + "/" + module + ".hpp", "");
        }
    }
    void TearDown() override { fs::remove_all(top_); }

    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((top_ / path).parent_path());
        std::ofstream(top_ / path, std::ios::binary) << text;
    }
    void plant(const std::string& path, const std::string& text) const {
        write(path, "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n" + text);
    }
    [[nodiscard]] Words includes() const {
        return breaches_of_includes(top_, Rules::read_from(top_));
    }
    [[nodiscard]] Words form() const { return breaches_of_form(top_); }

private:
    fs::path top_;
};

TEST_F(PlantedBreach, NoneAtFirst) {
    plant("lib/image/probe.cpp", "#include <string>\n#include <sys/stat.h>\n#include "
                                 "<blkid/blkid.h>\n#include <fmt/format.h>\n#include "
                                 "\"sys/sys.hpp\"\n#include \"image/image.hpp\"\n");
    plant("apps/slipway/main.cpp", "#include \"image/image.hpp\"\n");
    EXPECT_THAT(includes(), IsEmpty());
    EXPECT_THAT(form(), IsEmpty());
}

TEST_F(PlantedBreach, UpwardsAndSideways) {
    plant("lib/base/up.cpp", "#include \"sys/sys.hpp\"\n");
    plant("lib/sys/side.cpp", "\n#include \"report/report.hpp\"\n");
    EXPECT_THAT(includes(), ElementsAre(HasSubstr("lib/base/up.cpp:3: \"sys/sys.hpp\" is not"),
                                        HasSubstr("lib/sys/side.cpp:4: \"report/report.hpp\"")));
}

TEST_F(PlantedBreach, LowerButNotDeclared) {
    plant("lib/image/a.cpp", "#include \"report/report.hpp\"\n");
    EXPECT_THAT(includes(), ElementsAre(HasSubstr("image does not DEPEND on report")));
}

TEST_F(PlantedBreach, NoModule) {
    plant("lib/image/a.cpp", "#include \"../sys/sys.hpp\"\n");
    plant("apps/slipway/a.cpp", "#include \"nothing/sys.hpp\"\n");
    EXPECT_THAT(includes(), ElementsAre(HasSubstr("of no module"), HasSubstr("no file below")));
}

TEST_F(PlantedBreach, ThirdPartyOutsideItsOwnerOrInAHeader) {
    plant("lib/sys/a.cpp", "#include <blkid/blkid.h>\n");
    plant("lib/image/a.hpp", "#include <blkid/blkid.h>\n");
    plant("lib/image/b.hpp", "#include <fmt/format.h>\n");
    plant("lib/base/b.hpp", "#include <fmt/format.h>\n#include <tl/expected.hpp>\n");
    plant("lib/image/c.cpp", "#include <archive.h>\n");
    EXPECT_THAT(includes(), ElementsAre(HasSubstr("a.hpp:3: <blkid/blkid.h> is private"),
                                        HasSubstr("b.hpp:3: <fmt/format.h> belongs to base"),
                                        HasSubstr("<archive.h> stands in no table"),
                                        HasSubstr("<blkid/blkid.h> belongs to image")));
}

TEST_F(PlantedBreach, SizesAndForm) {
    plant("lib/sys/long.cpp", std::string(400, '\n'));
    plant("lib/sys/long.hpp", std::string(200, '\n'));
    plant("apps/slipway/cmd_long.cpp", std::string(150, '\n'));
    write("lib/sys/bare.hpp", "int a;\n");
    write("lib/report/README.md", std::string(41, '\n'));
    write("lib/sysutil/README.md", "x\n");
    EXPECT_THAT(form(),
                testing::UnorderedElementsAre(
                    HasSubstr("cmd_long.cpp: 152"), HasSubstr("long.cpp: 402"),
                    HasSubstr("long.hpp: 202"), HasSubstr("bare.hpp: no licence"),
                    HasSubstr("bare.hpp: no #pragma"), HasSubstr("report/README.md: more than"),
                    HasSubstr("sysutil: a name")));
}

} // namespace
