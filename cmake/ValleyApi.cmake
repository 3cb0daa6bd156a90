# Target `api`: the API reference of all headers in api/ of the build folder, if doxygen is installed.
find_program(VALLEY_DOXYGEN doxygen)
mark_as_advanced(VALLEY_DOXYGEN)
if(VALLEY_DOXYGEN)
  file(READ "${CMAKE_CURRENT_SOURCE_DIR}/docs/Doxyfile" VALLEY_DOXYFILE)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/Doxyfile" "${VALLEY_DOXYFILE}\nOUTPUT_DIRECTORY = \"${CMAKE_CURRENT_BINARY_DIR}\"\n")
  add_custom_target(api
    COMMAND "${VALLEY_DOXYGEN}" "${CMAKE_CURRENT_BINARY_DIR}/Doxyfile"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    COMMENT "API reference: ${CMAKE_CURRENT_BINARY_DIR}/api/index.html"
    VERBATIM)
endif()
