# Files that `cmake --install` copies: the program, its shell completion, documents, configs and scripts.
#
# The program searches shared libraries in PREFIX/lib, then where the build found LibTorch, then MPI and HDF5 if outside of the
# system's folders. For a LibTorch at another place: -DCMAKE_INSTALL_RPATH="$ORIGIN/../lib;FOLDER".
include(GNUInstallDirs)
if(NOT DEFINED CMAKE_INSTALL_RPATH)
  set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  foreach(library "${LibTorch_CPU_LIBRARY}" "${LibTorch_CUDART_LIBRARY}" "${LibTorch_NCCL_LIBRARY}")
    get_filename_component(folder "${library}" DIRECTORY)
    list(APPEND CMAKE_INSTALL_RPATH ${folder})
  endforeach()
endif()
if(NOT DEFINED CMAKE_INSTALL_RPATH_USE_LINK_PATH)
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
endif()

# Call after the targets exist.
function(valley_install)
  install(TARGETS valley RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  if(VALLEY_CUDA)
    install(TARGETS valley_gpu LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  endif()
  install(DIRECTORY configs examples DESTINATION "${CMAKE_INSTALL_DATADIR}/valley" PATTERN "__pycache__" EXCLUDE)
  # Except scripts of launch/ that work on the checkout.
  install(DIRECTORY launch DESTINATION "${CMAKE_INSTALL_DATADIR}/valley" USE_SOURCE_PERMISSIONS
          PATTERN "__pycache__" EXCLUDE REGEX "/(setup|build|bundle|quickstart|timing)\\.sh$" EXCLUDE REGEX "/launch/bundle$" EXCLUDE
          REGEX "/requirements[^/]*$" EXCLUDE)
  install(FILES README.md LICENSE CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
  install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}")
  # The program in the build folder, which finds its libraries, writes the completion of its commands.
  install(CODE "
    execute_process(COMMAND \"$<TARGET_FILE:valley>\" completion bash OUTPUT_VARIABLE completion RESULT_VARIABLE code ERROR_QUIET)
    if(code EQUAL 2)  # a program without that command
      message(STATUS \"No shell completion: this program does not have that command\")
    elseif(NOT code EQUAL 0)
      message(FATAL_ERROR \"$<TARGET_FILE:valley> does not run here: `completion bash` ended with \${code}\")
    endif()
    file(WRITE \"${CMAKE_CURRENT_BINARY_DIR}/completion.bash\" \"\${completion}\")")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/completion.bash"
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME valley)
endfunction()
