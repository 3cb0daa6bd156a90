// The JSON header of a safetensors file, parsed strictly. Used by safetensors.cpp only.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace valley {

struct ElementType {
  const char* name;     // as in the header: "F32"
  at::ScalarType type;  // Undefined: not read
  std::uint64_t bits;
};
[[nodiscard]] const ElementType* find_element_type(std::string_view name);  // null: unknown
[[nodiscard]] const ElementType* find_element_type(at::ScalarType type);    // null: no name

struct TensorEntry {
  std::string name;
  std::string dtype;
  const ElementType* element = nullptr;  // null: unknown type
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // in the data section
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

// `json` is the header with its padding, `data_bytes` the size of the data section, `file` for
// messages. Error (kData) naming the file and the rule that it breaks. On return every range lies
// in the data section and has the size of its shape and type, if the type is known.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view json,
                                                         std::uint64_t data_bytes,
                                                         const std::string& file);

[[noreturn]] void refuse_safetensors(const std::string& file, const std::string& rule);

// Name from a file for messages: quoted, control characters escaped, truncated.
[[nodiscard]] std::string quoted_name(std::string_view name);

}  // namespace valley
