// SPDX-License-Identifier: Apache-2.0
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "enter/device_cgroup.hpp"

namespace slipway::enter {
namespace {

constexpr unsigned all_access = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

// bpf_insn has bit fields, and its codes are 8 bits wide.
bpf_insn instruction(unsigned code, unsigned destination, unsigned source, int offset,
                     int immediate) {
    bpf_insn made{};
    made.code = static_cast<__u8>(code);
    made.dst_reg = destination & 0xF;
    made.src_reg = source & 0xF;
    made.off = static_cast<__s16>(offset);
    made.imm = immediate;
    return made;
}
bpf_insn load_word(unsigned destination, unsigned source, int offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, source, offset, 0);
}
bpf_insn move(unsigned destination, unsigned source) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0);
}
bpf_insn arithmetic(unsigned operation, unsigned destination, unsigned value) {
    return instruction(BPF_ALU64 | operation | BPF_K, destination, 0, 0, static_cast<int>(value));
}
bpf_insn jump_unless_equal(unsigned source, unsigned value) {
    return instruction(BPF_JMP | BPF_JNE | BPF_K, source, 0, 0, static_cast<int>(value));
}
void return_value(std::vector<bpf_insn>& program, unsigned value) {
    program.push_back(arithmetic(BPF_MOV, BPF_REG_0, value));
    program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

constexpr auto type_register = BPF_REG_2;
constexpr auto access_register = BPF_REG_3;
constexpr auto major_register = BPF_REG_4;
constexpr auto minor_register = BPF_REG_5;
constexpr auto scratch_register = BPF_REG_6;

void append_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
    std::vector<std::size_t> jumps; // each leads behind the rule
    auto require = [&](unsigned source, unsigned value) {
        jumps.push_back(program.size());
        program.push_back(jump_unless_equal(source, value));
    };
    require(type_register, rule.block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule.access != all_access) {
        program.push_back(move(scratch_register, access_register));
        program.push_back(arithmetic(BPF_AND, scratch_register, all_access & ~rule.access));
        require(scratch_register, 0);
    }
    if (rule.major)
        require(major_register, *rule.major);
    if (rule.minor)
        require(minor_register, *rule.minor);
    return_value(program, 1);
    for (auto jump : jumps)
        program[jump].off = static_cast<__s16>(program.size() - jump - 1);
}

} // namespace

std::vector<DeviceRule> allowed_devices(const RootSpec& spec) {
    std::vector<DeviceRule> rules{{.block = false, .access = BPF_DEVCG_ACC_MKNOD}};
    // null, zero, full, random, urandom, tty and ptmx of Documentation/admin-guide/devices.txt
    for (unsigned number : {3U, 5U, 7U, 8U, 9U})
        rules.push_back({.block = false, .access = all_access, .major = 1, .minor = number});
    for (unsigned number : {0U, 2U})
        rules.push_back({.block = false, .access = all_access, .major = 5, .minor = number});
    for (unsigned number = 136; number <= 143; ++number) // pseudo terminals
        rules.push_back({.block = false, .access = all_access, .major = number});
    auto add_block = [&](dev_t device) {
        rules.push_back(
            {.block = true, .access = all_access, .major = major(device), .minor = minor(device)});
    };
    for (const auto& disk : spec.disks)
        add_block(disk.device);
    for (const auto& partition : spec.partitions)
        if (partition.number != 0)
            add_block(partition.device);
    for (const auto& mapped : spec.mapped)
        add_block(mapped.device);
    return rules;
}

std::vector<bpf_insn> compile_device_program(std::span<const DeviceRule> rules) {
    // struct bpf_cgroup_dev_ctx: access_type is (access << 16) | type
    std::vector<bpf_insn> program{
        load_word(type_register, BPF_REG_1, 0),     move(access_register, type_register),
        arithmetic(BPF_AND, type_register, 0xFFFF), arithmetic(BPF_RSH, access_register, 16),
        load_word(major_register, BPF_REG_1, 4),    load_word(minor_register, BPF_REG_1, 8)};
    for (const auto& rule : rules)
        append_rule(program, rule);
    return_value(program, 0);
    return program;
}

std::string render_device_line(const DeviceRule& rule) {
    auto number = [](std::optional<unsigned> value) {
        return value ? std::to_string(*value) : std::string("*");
    };
    return fmt::format("{} {}:{} {}{}{}", rule.block ? 'b' : 'c', number(rule.major),
                       number(rule.minor), (rule.access & BPF_DEVCG_ACC_READ) != 0 ? "r" : "",
                       (rule.access & BPF_DEVCG_ACC_WRITE) != 0 ? "w" : "",
                       (rule.access & BPF_DEVCG_ACC_MKNOD) != 0 ? "m" : "");
}

} // namespace slipway::enter
