// SPDX-License-Identifier: Apache-2.0
#include "vm/probe_guest.hpp"

#include <cstddef>

#ifdef __x86_64__
// Assembled in place, so that the source is what runs. The firmware loads the sector at 0x7c00; the
// page tables at 0x1000-0x3fff map the first 2 MiB one to one (Intel SDM volume 3, 10.8.5). A KVM
// that emulates each instruction gets into long mode, but does not know SSE2, which every x86-64
// program uses, and takes far longer than the deadline for the loop.
// clang-format off
asm(R"(
    .pushsection .rodata
    .code16
slipway_probe_guest:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw $0x1000, %di
    movw $0x1800, %cx
    rep stosw
    movw $0x2003, 0x1000
    movw $0x3003, 0x2000
    movw $0x0083, 0x3000
    lgdtl 0x7c00 + 9f - slipway_probe_guest
    movl %cr4, %eax
    orw $0x620, %ax
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orw $0x100, %ax
    wrmsr
    movl %cr0, %eax
    andb $0xfb, %al
    orl $0x80000003, %eax
    movl %eax, %cr0
    ljmp $8, $(0x7c00 + 1f - slipway_probe_guest)
    .code64
1:  pxor %xmm0, %xmm0
    paddq %xmm0, %xmm0
    movl $20000000, %ecx
2:  decl %ecx
    jnz 2b
    movb $0x21, %al
    movw $0x501, %dx
    outb %al, %dx
3:  hlt
    jmp 3b
8:  .quad 0
    .quad 0x00209a0000000000
9:  .word 15
    .long 0x7c00 + 8b - slipway_probe_guest
    .org slipway_probe_guest + 510
    .word 0xaa55
    .popsection
)");
// clang-format on
extern "C" const char slipway_probe_guest[512];
#endif

namespace slipway::vm {

std::string probe_guest_disk() {
#ifdef __x86_64__
    constexpr std::size_t disk_size = 1 << 20; // SeaBIOS refuses disks without a whole cylinder
    std::string disk(slipway_probe_guest, 512);
    disk.resize(disk_size);
    return disk;
#else
    return {};
#endif
}

} // namespace slipway::vm
