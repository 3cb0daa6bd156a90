// Functions of the CUDA runtime that LibTorch imports and Valley never reaches. They stand in a
// file without CUDA's headers, because their parameters do not matter.
extern "C" __attribute__((visibility("default"))) int cudaDeviceGetDefaultMemPool() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaFreeAsync() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaGetSymbolAddress() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaGraphDebugDotPrint() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaGraphNodeGetDependencies() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaHostRegister() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaHostUnregister() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaIpcCloseMemHandle() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaIpcGetEventHandle() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaIpcGetMemHandle() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaIpcOpenEventHandle() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaIpcOpenMemHandle() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMallocAsync() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMemPoolGetAttribute() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMemPoolSetAccess() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMemPoolSetAttribute() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMemPoolTrimTo() {
  return 801;
}  // cudaErrorNotSupported
extern "C" __attribute__((visibility("default"))) int cudaMemcpyToSymbol() {
  return 801;
}  // cudaErrorNotSupported
