// Functions of the CUDA runtime for devices.
#include <cstdio>
#include <cstring>

#include "runtime_state.h"
#include "settings.h"

using namespace valley::fake;

EXPORT cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (settings().driver < CUDART_VERSION / 1000 * 1000) return note(cudaErrorInsufficientDriver);
  *count = settings().devices;
  return note(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

EXPORT cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= settings().devices) return note(cudaErrorInvalidDevice);
  current_device = device;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device < 0 || device >= settings().devices) return note(cudaErrorInvalidDevice);
  std::memset(p, 0, sizeof *p);
  std::strcpy(p->name, "Fake GPU");
  p->major = settings().major;
  p->minor = settings().minor;
  p->totalGlobalMem = settings().memory;
  p->multiProcessorCount = 132;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->sharedMemPerBlock = 49152;
  p->sharedMemPerMultiprocessor = 233472;
  p->sharedMemPerBlockOptin = 232448;
  p->regsPerBlock = 65536;
  p->l2CacheSize = 50 << 20;
  p->uuid.bytes[0] = static_cast<char>(device + 1);
  for (int i = 0; i < 3; ++i) {
    p->maxGridSize[i] = i == 0 ? 2147483647 : 65535;
    p->maxThreadsDim[i] = i == 2 ? 64 : 1024;
  }
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = settings().major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = settings().minor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = 2147483647;
      break;
    default:
      *value = 0;
  }
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  *version = settings().driver;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, static_cast<std::size_t>(length), "0000:%02x:00.0", device + 1);
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 1;
  return note(cudaSuccess);
}
EXPORT cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return note(cudaSuccess); }

EXPORT cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr, int, int) {
  *value = 1;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return note(cudaSuccess);
}

EXPORT cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = check_unsafe_call(); error != cudaSuccess) return note(error);
  wait_for_device(current_device);
  return note(cudaSuccess);
}
