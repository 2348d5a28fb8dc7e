# SPDX-License-Identifier: Apache-2.0
# One interface target carries the warning and sanitizer flags of every target here.
add_library(slipway_flags INTERFACE)
target_compile_options(slipway_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
    -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wnull-dereference -Wno-missing-field-initializers)
# libstdc++ 12 reports false positives of these through inlined containers.
target_compile_options(slipway_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-null-dereference -Wno-restrict>)
if(SLIPWAY_WERROR)
    target_compile_options(slipway_flags INTERFACE -Werror)
endif()
if(SLIPWAY_SANITIZE)
    target_compile_options(slipway_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(slipway_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SLIPWAY_FUZZ)
    target_compile_options(slipway_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fprofile-instr-generate -fcoverage-mapping)
    target_link_options(slipway_flags INTERFACE -fsanitize=address,undefined -fprofile-instr-generate)
endif()
