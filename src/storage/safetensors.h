// Named tensors in a file that every safetensors reader understands, read strictly: no byte of a
// file is trusted.
//
// Written: names sorted, tensors contiguous and in row-major order (data: widest elements first, so
// that each tensor is aligned to its element), data start aligned to 64 bytes, nothing that depends
// on time. Read: header at most 100 MB, starts with '{', no
// duplicate names, offsets within the file, without holes or overlap, sizes checked without
// overflow, depth bounded. Tensors of types that LibTorch has no arithmetic for, or that are not
// known here, may be there, but are not read. A file that breaks a rule is an Error (kData) naming
// the file and the rule.
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
// The bytes of that file, handed to `sink` in pieces, for a writer that hashes or places them.
void stream_safetensors(const TensorFile& contents, const std::function<void(Bytes)>& sink);
[[nodiscard]] std::uint64_t safetensors_bytes(const TensorFile& contents);  // their number

[[nodiscard]] TensorFile read_safetensors(const std::filesystem::path& path);

// What a file says that it holds. Its header is read and checked, its tensors are not: no memory is
// taken for what it may claim.
struct TensorOutline {
  std::vector<std::int64_t> shape;
  at::ScalarType type;  // Undefined: a type that is not read
  std::string dtype;    // as in the file, "F8_E4M3"
};
struct TensorFileOutline {
  std::map<std::string, TensorOutline> tensors;
  std::map<std::string, std::string> metadata;
};
[[nodiscard]] TensorFileOutline outline_safetensors(const std::filesystem::path& path);
// Reads the tensors for which `wanted` says so, and all metadata.
[[nodiscard]] TensorFile read_safetensors(const std::filesystem::path& path,
                                          const std::function<bool(const std::string&)>& wanted);

// The same on bytes in memory; `name` is for messages.
[[nodiscard]] TensorFile parse_safetensors(Bytes bytes, const std::string& name);

// The tensor called `name`, or an Error (kData) that names it, `where` and, if the shape differs
// from `shape`, both shapes.
[[nodiscard]] at::Tensor require_tensor(const TensorMap& tensors, const std::string& name,
                                        at::IntArrayRef shape, const std::string& where);
// The same of a tensor that was not read; its numbers must be floats of 32 bits as well.
void require_tensor(const TensorFileOutline& outline, const std::string& name,
                    at::IntArrayRef shape, const std::string& where);

}  // namespace valley
