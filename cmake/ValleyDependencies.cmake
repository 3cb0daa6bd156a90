# Libraries besides LibTorch: found as packages (CMAKE_PREFIX_PATH adds prefixes); small ones also in a folder of the user. Nothing is
# downloaded. One message lists all missing libraries and the settings for them (docs/building.md).
#
# In:  VALLEY_DEPENDENCIES  folder with the small libraries as archives of their pinned releases or as unpacked folders
# Out: imported targets, with the names of the packages
set(VALLEY_DEPENDENCIES "" CACHE PATH "Folder of archives or checkouts of the small libraries; see docs/building.md")

# valley_missing(<text>): adds a missing library; valley_refuse_missing() stops with a list of them.
function(valley_missing text)
  set_property(GLOBAL APPEND_STRING PROPERTY VALLEY_MISSING "\n  - ${text}")
endfunction()

function(valley_refuse_missing)
  get_property(missing GLOBAL PROPERTY VALLEY_MISSING)
  if(missing)
    message(FATAL_ERROR "Valley cannot be built here yet. Missing:${missing}\n"
      "Debian packages: launch/setup.sh installs them all. Without root: docs/building.md has each step.")
  endif()
endfunction()

# A library that is found only as a package. COMPONENTS as for find_package; `hint`: what to set.
macro(valley_require package name hint)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    valley_missing("${name}: ${hint}")
  endif()
endmacro()

# Unpacks the folder `part` of an archive and its license once and sets `out` to the folder that contains them. Rejects archives other
# than the pinned one, which was tested.
function(valley_unpack archive sha256 part out)
  file(SHA256 "${archive}" found)
  if(NOT found STREQUAL sha256)
    message(FATAL_ERROR "${archive} is not the release that Valley pins. Its SHA-256 is\n  ${found}, expected\n  ${sha256}\n"
      "Download that release again, or put another version there as an unpacked folder.")
  endif()
  set(folder "${CMAKE_BINARY_DIR}/dependencies/${sha256}")
  if(NOT EXISTS "${folder}/done")
    file(REMOVE_RECURSE "${folder}")
    file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${folder}" PATTERNS "*/${part}/*" "*/LICENSE*")
    file(TOUCH "${folder}/done")
  endif()
  file(GLOB top "${folder}/*-*")
  set(${out} "${top}" PARENT_SCOPE)
endfunction()

# Sets `out` to the folder <name>-<version> or <name> of VALLEY_DEPENDENCIES that has the header, unpacking
# <name>-<version>.tar.gz where there is only that; to nothing where there is neither.
function(valley_local name version sha256 header out)
  set(${out} "" PARENT_SCOPE)
  if(NOT VALLEY_DEPENDENCIES)
    return()
  endif()
  get_filename_component(base "${VALLEY_DEPENDENCIES}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  foreach(folder "${base}/${name}-${version}" "${base}/${name}")
    if(EXISTS "${folder}/${header}")
      set(${out} "${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  if(EXISTS "${base}/${name}-${version}.tar.gz")
    string(REGEX MATCH "^[^/]+" part "${header}")
    valley_unpack("${base}/${name}-${version}.tar.gz" ${sha256} ${part} unpacked)
    set(${out} "${unpacked}" PARENT_SCOPE)
  endif()
endfunction()

# A header-only library: from VALLEY_DEPENDENCIES if it is there, else its package.
#   valley_headers(<target> <package> <name> <version> HEADER ... SHA256 ... [DEFINITIONS ...] [LIBRARIES ...])
function(valley_headers target package name version)
  cmake_parse_arguments(ARG "" "SHA256;HEADER" "DEFINITIONS;LIBRARIES" ${ARGN})
  valley_local(${name} ${version} ${ARG_SHA256} "include/${ARG_HEADER}" folder)
  if(folder)
    message(STATUS "${package}: ${folder}")
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} INTERFACE "${folder}/include")
    target_compile_definitions(${target} INTERFACE ${ARG_DEFINITIONS})
    target_link_libraries(${target} INTERFACE ${ARG_LIBRARIES})
    return()
  endif()
  find_package(${package} QUIET GLOBAL)
  if(NOT TARGET ${target})
    valley_missing(
      "${package}: its package below CMAKE_PREFIX_PATH, or ${name}-${version}.tar.gz in VALLEY_DEPENDENCIES")
  endif()
endfunction()

# spdlog's package requires that of fmt, which would define the targets of an fmt in the folder again.
function(valley_refuse_half_of_fmt_and_spdlog)
  set(base "${VALLEY_DEPENDENCIES}")
  if(base)
    file(GLOB fmt "${base}/fmt" "${base}/fmt-9.1.0*")
    file(GLOB spdlog "${base}/spdlog" "${base}/spdlog-1.10.0*")
    if((fmt AND NOT spdlog) OR (spdlog AND NOT fmt))
      message(FATAL_ERROR "${base} has only one of fmt and spdlog: put both there, or neither, as one builds on the other")
    endif()
  endif()
endfunction()

# The pinned releases are those of Debian 12, which are tested.
macro(valley_find_headers)
  valley_refuse_half_of_fmt_and_spdlog()
  valley_headers(
    fmt::fmt-header-only fmt fmt 9.1.0 HEADER fmt/core.h
    SHA256 5dea48d1fcddc3ec571ce2058e13910a0d4a6bab4cc09a809d8b1dd1c88ae6f2)
  # Headers of fmt, without the definition for header-only use: src/core/formatting.cpp compiles it once.
  add_library(valley_fmt INTERFACE)
  target_include_directories(
    valley_fmt SYSTEM INTERFACE $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
  valley_headers(
    spdlog::spdlog spdlog spdlog 1.10.0 HEADER spdlog/spdlog.h
    DEFINITIONS SPDLOG_FMT_EXTERNAL=1 LIBRARIES valley_fmt Threads::Threads
    SHA256 697f91700237dbae2326b90469be32b876b2b44888302afbc7aceb68bcfe8224)
  valley_headers(
    nlohmann_json::nlohmann_json nlohmann_json json 3.11.2 HEADER nlohmann/json.hpp
    SHA256 d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273)
  valley_headers(
    CLI11::CLI11 CLI11 CLI11 2.1.2 HEADER CLI/CLI.hpp
    SHA256 26291377e892ba0e5b4972cdfd4a2ab3bf53af8dac1f4ea8fe0d1376b625c8cb)
  valley_headers(
    tomlplusplus::tomlplusplus tomlplusplus tomlplusplus 3.3.0 HEADER toml++/toml.h
    SHA256 fc1a5eb410f3c67e90e5ad1264a1386d020067cfb01b633cc8c0441789aa6cf2)
endmacro()

# GTest::gtest and GTest::gtest_main, compiled here where the sources are in VALLEY_DEPENDENCIES.
function(valley_find_googletest)
  valley_local(googletest release-1.12.1 81964fe578e9bd7c94dfdb09c8e4d6e6759e19967e397dbea48d1c10e45d0df2
               googletest/include/gtest/gtest.h folder)
  if(NOT folder)
    find_package(GTest QUIET GLOBAL)
    if(NOT TARGET GTest::gtest)
      valley_missing("GoogleTest: its package below CMAKE_PREFIX_PATH, googletest-release-1.12.1.tar.gz in \
VALLEY_DEPENDENCIES, or -DVALLEY_TESTS=OFF")
    endif()
    return()
  endif()
  message(STATUS "GoogleTest: ${folder}")
  add_library(valley_gtest STATIC "${folder}/googletest/src/gtest-all.cc")
  target_include_directories(valley_gtest SYSTEM PUBLIC "${folder}/googletest/include" PRIVATE "${folder}/googletest")
  target_link_libraries(valley_gtest PUBLIC Threads::Threads)
  add_library(GTest::gtest ALIAS valley_gtest)
  add_library(valley_gtest_main STATIC "${folder}/googletest/src/gtest_main.cc")
  target_link_libraries(valley_gtest_main PUBLIC valley_gtest)
  add_library(GTest::gtest_main ALIAS valley_gtest_main)
endfunction()
