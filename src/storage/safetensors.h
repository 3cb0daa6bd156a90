// Safetensors files, readable by any implementation and parsed strictly: no byte of a file is
// trusted.
//
// Written: names sorted, tensors contiguous and in row-major order (data: widest elements first, so
// that each tensor is aligned to its element), data section aligned to 64 bytes, nothing that
// depends on time. Read: header at most 100 MB, starts with '{', no duplicate names, offsets within
// the file without gaps or overlap, sizes checked without overflow, limited depth. Tensors of types
// that are unknown or that LibTorch has no arithmetic for are accepted but not read. Error (kData)
// naming the file and the rule that it breaks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/hash.h"

namespace valley {

using TensorMap = std::map<std::string, at::Tensor>;

struct TensorFile {
  TensorMap tensors;  // on the CPU when read; from any device when written
  std::map<std::string, std::string> metadata;  // the header's "__metadata__"
};

void write_safetensors(const std::filesystem::path& path, const TensorFile& contents);  // atomic
// Passes the bytes of that file to `sink` in pieces, for a caller that hashes or writes them.
void stream_safetensors(const TensorFile& contents, const std::function<void(Bytes)>& sink);
[[nodiscard]] std::uint64_t safetensors_bytes(const TensorFile& contents);  // size of that file

[[nodiscard]] TensorFile read_safetensors(const std::filesystem::path& path);

// Contents of a file according to its header, which is checked. Tensors are not read, and no memory
// is allocated for their claimed sizes.
struct TensorOutline {
  std::vector<std::int64_t> shape;
  at::ScalarType type;  // Undefined: not read
  std::string dtype;    // as in the file, "F8_E4M3"
};
struct TensorFileOutline {
  std::map<std::string, TensorOutline> tensors;
  std::map<std::string, std::string> metadata;
};
[[nodiscard]] TensorFileOutline outline_safetensors(const std::filesystem::path& path);
// Reads the tensors for which `wanted` returns true, and all metadata.
[[nodiscard]] TensorFile read_safetensors(const std::filesystem::path& path,
                                          const std::function<bool(const std::string&)>& wanted);

// The same on bytes in memory; `name` is for messages.
[[nodiscard]] TensorFile parse_safetensors(Bytes bytes, const std::string& name);

// The tensor called `name`, or an Error (kData) that names it, `where` and, if the shape differs
// from `shape`, both shapes.
[[nodiscard]] at::Tensor require_tensor(const TensorMap& tensors, const std::string& name,
                                        at::IntArrayRef shape, const std::string& where);
// The same for a tensor that was not read; its type must be F32 as well.
void require_tensor(const TensorFileOutline& outline, const std::string& name,
                    at::IntArrayRef shape, const std::string& where);

}  // namespace valley
