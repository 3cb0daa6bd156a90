#include "doctor/loaded_libraries.h"

#include <dlfcn.h>
#include <link.h>

namespace valley::doctor {
namespace {

std::vector<std::string> loaded_files() {
  std::vector<std::string> files;
  ::dl_iterate_phdr(
      [](::dl_phdr_info* info, std::size_t, void* target) {
        // The main program has an empty name.
        if (info->dlpi_name != nullptr && *info->dlpi_name != '\0')
          static_cast<std::vector<std::string>*>(target)->emplace_back(info->dlpi_name);
        return 0;
      },
      &files);
  return files;
}

}  // namespace

std::vector<std::string> objects_that_define(const char* symbol) {
  std::vector<std::string> found;
  for (const std::string& file : loaded_files()) {
    void* const object = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (object == nullptr) continue;  // the kernel's vdso
    // dlsym also searches dependencies of the object, so compare the file of the symbol.
    void* const address = ::dlsym(object, symbol);
    ::Dl_info place{};
    if (address != nullptr && ::dladdr(address, &place) != 0 && file == place.dli_fname)
      found.push_back(file);
    ::dlclose(object);
  }
  return found;
}

}  // namespace valley::doctor
