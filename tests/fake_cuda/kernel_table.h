// Valley's kernels as the fake CUDA device runs them. No header of CUDA is read here: the emulated
// kernels have a dim3 of their own.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

namespace valley::fake {

using Extent = std::array<unsigned, 3>;
using Task = std::function<void()>;
using MakeTask = std::function<Task(Extent grid, Extent block, void** arguments)>;

// A kernel's name without namespaces and parameters, such as "bias_elu<float, Bfloat16, 4>", from
// the demangled name that nvcc gave it.
std::string short_name(const std::string& demangled);

// The task that runs one grid, with copies of its arguments. Empty for an unknown kernel.
Task task_of_kernel(const std::string& short_name, Extent grid, Extent block, void** arguments);

// Runs `thread` for every thread of a grid; one grid at a time in a process.
void run_emulated(Extent grid, Extent block, const std::function<void()>& thread);

void add_kernel(const std::string& short_name, const MakeTask& make);

struct KernelRegistration {
  template <typename... Arguments>
  KernelRegistration(const char* name, void (*kernel)(Arguments...)) {
    add_kernel(name, [kernel](Extent grid, Extent block, void** arguments) {
      return make_task(kernel, grid, block, arguments, std::index_sequence_for<Arguments...>());
    });
  }

 private:
  template <typename... Arguments, std::size_t... i>
  static Task make_task(void (*kernel)(Arguments...), Extent grid, Extent block, void** arguments,
                        std::index_sequence<i...>) {
    const std::tuple<Arguments...> copies(*static_cast<Arguments*>(arguments[i])...);
    return [kernel, grid, block, copies] {
      run_emulated(grid, block, [&] { std::apply(kernel, copies); });
    };
  }
};

}  // namespace valley::fake
