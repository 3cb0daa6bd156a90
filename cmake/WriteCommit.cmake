# Writes HEADER, which defines VALLEY_COMMIT: the commit that the checkout SOURCE is on, with "+" after it when files were
# changed since, or "" where SOURCE is no checkout of git's. The file is touched only when that changes.
cmake_minimum_required(VERSION 3.25)
find_program(GIT git)
set(commit "")
if(GIT)
  execute_process(
    COMMAND "${GIT}" -C "${SOURCE}" rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(source "${SOURCE}" REALPATH)
  # Unpacked from an archive inside another repository, it is not that one's commit.
  if(top STREQUAL source)
    execute_process(
      COMMAND "${GIT}" -C "${SOURCE}" describe --always --abbrev=12 --dirty=+ "--exclude=*"
      OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "#pragma once\n#define VALLEY_COMMIT \"@commit@\"\n" @ONLY)
