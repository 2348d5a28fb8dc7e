// SPDX-License-Identifier: Apache-2.0
// Any bytes as the hives and programs of a Windows guest.
#include <filesystem>
#include <fstream>

#include "fuzz_text.hpp"
#include "guest/windows.hpp"

using namespace slipway;

namespace {

/// A Windows whose hives and hibernation file are all the same file, gone with the object.
class Tree {
public:
    Tree() {
        std::string name = "/tmp/slipway-fuzz-XXXXXX";
        fuzz::must(::mkdtemp(name.data()) != nullptr);
        top_ = name;
        auto config = top_ / "Windows/System32/config";
        std::filesystem::create_directories(config);
        for (const auto* link : {"SOFTWARE", "SYSTEM", "../ntoskrnl.exe"})
            std::filesystem::create_symlink("/file", config / link);
    }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;
    ~Tree() {
        std::error_code ignored;
        std::filesystem::remove_all(top_, ignored);
    }
    [[nodiscard]] sys::RootDir filled_with(std::string_view bytes) const {
        std::ofstream(top_ / "file", std::ios::binary) << bytes;
        auto root = sys::RootDir::open(top_.string());
        fuzz::must(root.has_value());
        return std::move(*root);
    }

private:
    std::filesystem::path top_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Tree tree;
    auto root = tree.filled_with(fuzz::text_of(data, size));
    report::Findings findings;
    guest::GuestFiles files(root, findings);
    auto os = guest::read_windows(files, "/Windows", fuzz::guest());
    fuzz::must(os.windows.has_value() && !os.product.empty());
    return 0;
}
