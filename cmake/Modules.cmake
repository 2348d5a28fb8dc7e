# SPDX-License-Identifier: Apache-2.0
# slipway_module(NAME DEPENDS a b EXTERNAL PkgConfig::X) makes lib/NAME a static library slipway_NAME.
# The layer table of docs/architecture.md is enforced here: a module may depend on lower layers only.
set(SLIPWAY_LAYERS
    "base:0" "sys:1" "report:1" "archive:2" "image:2" "vm:2" "http:2" "network:3" "loading:3" "storage:3" "mount:3" "appliance:3" "guest:4"
    "enter:4" "fstests:2" "repair:5" "rootfs:5" "boot:5" "work:6" "netboot:6" "calls:7" "testbed:7" "session:8" "ops:9" "guestfs:10" "mcp:10")

# HEADER-OR-FOLDER/:OWNER. Only sources of the owner include it, so that it stays private; with ":public" headers of
# the owner may too, with ":everywhere" sources of all others as well. tests/unit/source_rules_test.cpp reads both
# tables.
set(SLIPWAY_THIRD_PARTY
    "fmt/:base:everywhere" "nlohmann/:base:public" "tl/:base:public"
    "archive.h:archive:public" "archive_entry.h:archive:public" "zlib.h:archive" "zstd.h:archive" "lz4.h:archive"
    "lz4hc.h:archive" "lzma.h:archive" "bzlib.h:archive"
    "blkid/:image" "libfdisk/:image" "libcryptsetup.h:storage" "nettle/:archive" "hivex.h:guest" "augeas.h:guest" "sqlite3.h:guest"
    "acl/:calls" "sys/acl.h:calls" "sys/capability.h:calls" "seccomp.h:sys" "fuse3/:guestfs" "pybind11/:bindings" "libkmod.h:sys"
    "event2/:http:public" "openssl/:http:public" "CLI/:apps:public" "toml++/:rootfs")

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

# What lib/guestfs/calls/*.txt say of every call of the API, as headers, sources, and the Python package's methods.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
function(slipway_generate_calls target)
    set(made ${PROJECT_BINARY_DIR}/generated)
    set(lists ${PROJECT_SOURCE_DIR}/lib/guestfs/calls)
    file(GLOB list_files CONFIGURE_DEPENDS ${lists}/*.txt)
    set(generator ${PROJECT_SOURCE_DIR}/lib/guestfs/generate.py)
    set(outputs)
    foreach(pair records:guestfs/generated/records.hpp options:guestfs/generated/options.hpp methods:guestfs/generated/methods.hpp
                 definitions:guestfs/generated/definitions.cpp signatures:guestfs/generated/signatures.cpp)
        string(REPLACE ":" ";" pair ${pair})
        list(GET pair 0 kind)
        list(GET pair 1 file)
        add_custom_command(OUTPUT ${made}/${file} COMMAND ${Python3_EXECUTABLE} ${generator} ${kind} ${lists} ${made}/${file}
                           DEPENDS ${generator} ${list_files} VERBATIM)
        list(APPEND outputs ${made}/${file})
    endforeach()
    target_sources(${target} PRIVATE ${outputs})
    target_include_directories(${target} PUBLIC ${made})
endfunction()

# The files of a folder as texts of the program: name without ending -> text, see lib/rootfs/profile.hpp.
function(slipway_embed_profiles target folder)
    file(GLOB profiles CONFIGURE_DEPENDS ${folder}/*.toml)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${profiles})
    set(SLIPWAY_PROFILES "")
    foreach(file IN LISTS profiles)
        get_filename_component(name ${file} NAME_WE)
        file(READ ${file} text)
        string(APPEND SLIPWAY_PROFILES "    Shipped{\"${name}\", R\"toml(${text})toml\"},\n")
    endforeach()
    configure_file(${folder}/shipped.cpp.in ${PROJECT_BINARY_DIR}/generated/rootfs/shipped.cpp @ONLY)
    target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated/rootfs/shipped.cpp)
endfunction()
