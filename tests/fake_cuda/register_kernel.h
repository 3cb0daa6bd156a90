// Makes a kernel, compiled for the CPU, known to the fake CUDA device by its name.
#pragma once

#include "kernel_table.h"

#define REGISTER_KERNEL_NAMED(line, ...) \
  const ::valley::fake::KernelRegistration registration_##line(#__VA_ARGS__, &__VA_ARGS__);
#define REGISTER_KERNEL_AT(line, ...) REGISTER_KERNEL_NAMED(line, __VA_ARGS__)
#define REGISTER_KERNEL(...) REGISTER_KERNEL_AT(__LINE__, __VA_ARGS__)
