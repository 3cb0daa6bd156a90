#include "kernel_table.h"

#include <map>
#include <mutex>

#include "kernels/emulated/block.h"
#include "settings.h"

namespace valley::fake {
namespace {

std::map<std::string, MakeTask>& table() {
  static std::map<std::string, MakeTask> kernels;
  return kernels;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::string short_name(const std::string& demangled) {
  std::string name = demangled;
  replace_all(name, "(anonymous namespace)::", "");
  replace_all(name, "__nv_bfloat16", "Bfloat16");
  name = name.substr(0, name.find('('));
  const std::size_t end = std::min(name.find('<'), name.size());
  const std::size_t colons = name.rfind("::", end);
  return colons == std::string::npos ? name : name.substr(colons + 2);
}

Task task_of_kernel(const std::string& short_name, Extent grid, Extent block, void** arguments) {
  const auto found = table().find(short_name);
  return found == table().end() ? Task() : found->second(grid, block, arguments);
}

void add_kernel(const std::string& short_name, const MakeTask& make) { table()[short_name] = make; }

void run_emulated(Extent grid, Extent block, const std::function<void()>& thread) {
  static std::mutex one_grid;
  const std::lock_guard lock(one_grid);
  testing::thread_order =
      settings().seed == 0 ? testing::ThreadOrder::kForward : testing::ThreadOrder::kRandom;
  try {
    testing::run_grid({grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, thread);
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

}  // namespace valley::fake
