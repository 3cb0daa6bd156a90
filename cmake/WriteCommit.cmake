# Writes HEADER, which defines VALLEY_COMMIT: the commit of the git checkout SOURCE, followed by "+" if files have changed, or "" if
# SOURCE is not a git checkout. Does not touch the file if its contents stay the same.
cmake_minimum_required(VERSION 3.25)
find_program(GIT git)
set(commit "")
if(GIT)
  execute_process(
    COMMAND "${GIT}" -C "${SOURCE}" rev-parse --show-toplevel
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(source "${SOURCE}" REALPATH)
  # An unpacked archive inside another repository does not have the commit of that one.
  if(top STREQUAL source)
    execute_process(
      COMMAND "${GIT}" -C "${SOURCE}" describe --always --abbrev=12 --dirty=+ "--exclude=*"
      OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "#pragma once\n#define VALLEY_COMMIT \"@commit@\"\n" @ONLY)
