// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <elf.h>

namespace slipway::testing_support {

// As much of an ELF file as is looked at.
inline std::string elf_header(unsigned char elf_class, unsigned char data, unsigned machine) {
    std::string header("\x7f"
                       "ELF");
    header.resize(64, '\0');
    header[EI_CLASS] = static_cast<char>(elf_class);
    header[EI_DATA] = static_cast<char>(data);
    bool little = data == ELFDATA2LSB;
    header[18] = static_cast<char>(little ? machine & 0xff : machine >> 8);
    header[19] = static_cast<char>(little ? machine >> 8 : machine & 0xff);
    return header;
}

} // namespace slipway::testing_support
