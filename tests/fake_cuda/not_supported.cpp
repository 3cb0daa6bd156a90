// Functions of the CUDA runtime that LibTorch imports and Valley never reaches. They stand in a
// file without CUDA's headers, because their parameters do not matter.
#define NOT_SUPPORTED(name)                                      \
  extern "C" __attribute__((visibility("default"))) int name() { \
    return 801; /* cudaErrorNotSupported */                      \
  }

NOT_SUPPORTED(cudaDeviceGetDefaultMemPool)
NOT_SUPPORTED(cudaFreeAsync)
NOT_SUPPORTED(cudaGetSymbolAddress)
NOT_SUPPORTED(cudaGraphDebugDotPrint)
NOT_SUPPORTED(cudaGraphNodeGetDependencies)
NOT_SUPPORTED(cudaHostRegister)
NOT_SUPPORTED(cudaHostUnregister)
NOT_SUPPORTED(cudaIpcCloseMemHandle)
NOT_SUPPORTED(cudaIpcGetEventHandle)
NOT_SUPPORTED(cudaIpcGetMemHandle)
NOT_SUPPORTED(cudaIpcOpenEventHandle)
NOT_SUPPORTED(cudaIpcOpenMemHandle)
NOT_SUPPORTED(cudaMallocAsync)
NOT_SUPPORTED(cudaMemPoolGetAttribute)
NOT_SUPPORTED(cudaMemPoolSetAccess)
NOT_SUPPORTED(cudaMemPoolSetAttribute)
NOT_SUPPORTED(cudaMemPoolTrimTo)
NOT_SUPPORTED(cudaMemcpyToSymbol)
