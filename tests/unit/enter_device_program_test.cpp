// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "enter/device_cgroup.hpp"

using namespace slipway::enter;

namespace {

constexpr unsigned mknod_access = BPF_DEVCG_ACC_MKNOD;
constexpr unsigned read_access = BPF_DEVCG_ACC_READ;
constexpr unsigned write_access = BPF_DEVCG_ACC_WRITE;
constexpr unsigned block = BPF_DEVCG_DEV_BLOCK;
constexpr unsigned character = BPF_DEVCG_DEV_CHAR;

struct Access {
    unsigned type, access, major, minor;
};

// Executes the few instructions that the compiler uses, as the kernel defines them.
std::uint64_t execute(const std::vector<bpf_insn>& program, const Access& asked) {
    const std::array<std::uint32_t, 3> context{(asked.access << 16) | asked.type, asked.major,
                                               asked.minor};
    std::array<std::uint64_t, 11> registers{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const auto& step = program[at];
        auto value = static_cast<std::uint64_t>(static_cast<std::int64_t>(step.imm));
        auto& target = registers.at(step.dst_reg);
        switch (step.code) {
        case BPF_LDX | BPF_MEM | BPF_W:
            target = context.at(static_cast<std::size_t>(step.off) / 4);
            break;
        case BPF_ALU64 | BPF_MOV | BPF_X:
            target = registers.at(step.src_reg);
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            target = value;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            target &= value;
            break;
        case BPF_ALU64 | BPF_RSH | BPF_K:
            target >>= value;
            break;
        case BPF_JMP | BPF_JNE | BPF_K:
            at += target != value ? static_cast<std::size_t>(step.off) : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return registers[0];
        default:
            ADD_FAILURE() << "unknown instruction " << int{step.code};
            return 99;
        }
    }
    ADD_FAILURE() << "the program runs off its end";
    return 99;
}

class DeviceProgram : public ::testing::Test {
protected:
    RootSpec spec_{.disks = {{.name = "vda", .device = makedev(7, 3)}},
                   .partitions = {{.name = "vda1", .number = 1, .device = makedev(259, 70000)}}};
    std::vector<DeviceRule> rules_ = allowed_devices(spec_);
    std::vector<bpf_insn> program_ = compile_device_program(rules_);
    bool allows(const Access& asked) { return execute(program_, asked) == 1; }
};

TEST_F(DeviceProgram, TheGuestsOwnDisksAreItsToUse) {
    EXPECT_TRUE(allows({block, read_access | write_access, 7, 3}));
    EXPECT_TRUE(allows({block, mknod_access, 7, 3}));
    EXPECT_TRUE(allows({block, read_access, 259, 70000}));
}

TEST_F(DeviceProgram, ForeignBlockDevicesCanNeitherBeMadeNorOpened) {
    for (unsigned access : {mknod_access, read_access, write_access, read_access | write_access})
        for (auto [major_number, minor_number] :
             {std::pair{7U, 4U}, {8U, 0U}, {259U, 3U}, {3U, 7U}, {254U, 0U}})
            EXPECT_FALSE(allows({block, access, major_number, minor_number}))
                << major_number << ":" << minor_number;
}

TEST_F(DeviceProgram, CharacterNodesCanBeMadeButOnlyTheUsualOpened) {
    EXPECT_TRUE(allows({character, mknod_access, 1, 1}));
    EXPECT_TRUE(allows({character, mknod_access, 10, 237}));
    EXPECT_FALSE(allows({character, read_access, 1, 1}));
    EXPECT_FALSE(allows({character, mknod_access | read_access, 10, 237}));
    EXPECT_TRUE(allows({character, read_access | write_access, 1, 3}));
    EXPECT_TRUE(allows({character, read_access | write_access, 5, 2}));
    EXPECT_TRUE(allows({character, read_access | write_access, 137, 44}));
    EXPECT_FALSE(allows({character, write_access, 5, 1}));
    // The numbers of the guest's disk as a character device are something else.
    EXPECT_FALSE(allows({character, read_access, 7, 3}));
}

TEST_F(DeviceProgram, AnEmptyListDeniesAll) {
    auto program = compile_device_program({});
    EXPECT_EQ(execute(program, {character, read_access, 1, 3}), 0U);
    EXPECT_EQ(execute(program, {block, mknod_access, 7, 3}), 0U);
}

TEST_F(DeviceProgram, RulesOfVersion1SayTheSame) {
    EXPECT_EQ(render_device_line({.block = false, .access = mknod_access}), "c *:* m");
    EXPECT_EQ(render_device_line({.block = true,
                                  .access = mknod_access | read_access | write_access,
                                  .major = 7,
                                  .minor = 3}),
              "b 7:3 rwm");
    EXPECT_EQ(render_device_line({.block = false, .access = read_access, .major = 136}),
              "c 136:* r");
}

} // namespace
