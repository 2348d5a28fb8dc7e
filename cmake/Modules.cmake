# SPDX-License-Identifier: Apache-2.0
# slipway_module(NAME DEPENDS a b EXTERNAL PkgConfig::X) makes lib/NAME a static library slipway_NAME.
# The layer table of docs/architecture.md is enforced here: a module may depend on lower layers only.
set(SLIPWAY_LAYERS
    "base:0" "sys:1" "report:1" "archive:2" "image:2" "vm:2" "storage:3" "mount:3" "guest:4" "enter:4"
    "repair:5" "work:6" "session:7" "ops:8")

# HEADER-OR-FOLDER/:OWNER. Only sources of the owner include it, so that it stays private; with ":public" headers of
# the owner may too, with ":everywhere" sources of all others as well. tests/unit/source_rules_test.cpp reads both
# tables.
set(SLIPWAY_THIRD_PARTY
    "fmt/:base:everywhere" "nlohmann/:base:public" "tl/:base:public"
    "archive.h:archive" "archive_entry.h:archive" "zlib.h:archive" "zstd.h:archive" "lz4.h:archive"
    "lz4hc.h:archive" "lzma.h:archive" "bzlib.h:archive"
    "blkid/:image" "libcryptsetup.h:storage" "nettle/:guest" "hivex.h:guest" "sqlite3.h:guest" "seccomp.h:sys"
    "libkmod.h:sys" "CLI/:apps:public")

function(slipway_layer_of name out)
    foreach(entry IN LISTS SLIPWAY_LAYERS)
        if(entry MATCHES "^${name}:([0-9]+)$")
            set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
            return()
        endif()
    endforeach()
    message(FATAL_ERROR "module ${name} is not in the layer table (cmake/Modules.cmake)")
endfunction()

function(slipway_module name)
    cmake_parse_arguments(ARG "" "" "DEPENDS;EXTERNAL" ${ARGN})
    slipway_layer_of(${name} own)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
    add_library(slipway_${name} STATIC ${sources})
    target_include_directories(slipway_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
    target_link_libraries(slipway_${name} PRIVATE slipway_flags)
    foreach(dep IN LISTS ARG_DEPENDS)
        slipway_layer_of(${dep} below)
        if(NOT below LESS own)
            message(FATAL_ERROR "${name} (layer ${own}) may not depend on ${dep} (layer ${below})")
        endif()
        target_link_libraries(slipway_${name} PUBLIC slipway_${dep})
    endforeach()
    target_link_libraries(slipway_${name} PRIVATE ${ARG_EXTERNAL})
endfunction()
