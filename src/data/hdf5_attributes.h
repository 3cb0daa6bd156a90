// Attributes of an HDF5 object: fixed-length UTF-8 strings and 64-bit integers, the only types that
// shards use. Reading is strict: Error kData naming file and attribute for another type or shape.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/hdf5_handle.h"

namespace valley {

class Hdf5Attributes {
 public:
  // Attributes of the object `id` (for a file: its root group), which must outlive this.
  Hdf5Attributes(const Hdf5File& file, std::int64_t id) : file_(file), id_(id) {}

  void write(const std::string& name, const std::string& text) const;
  void write(const std::string& name, std::int64_t number) const;
  void write(const std::string& name, const std::vector<std::int64_t>& numbers) const;
  void write(const std::string& name, const std::vector<std::string>& texts) const;  // same width

  [[nodiscard]] bool has(const std::string& name) const;
  [[nodiscard]] std::string text(const std::string& name) const;
  [[nodiscard]] std::int64_t number(const std::string& name) const;
  [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> texts(const std::string& name) const;

 private:
  void write_raw(const std::string& name, std::int64_t type, std::int64_t space,
                 const void* data) const;
  [[nodiscard]] std::string read_strings(const std::string& name, std::size_t& count,
                                         std::size_t& width) const;
  [[nodiscard]] std::size_t count_of(const std::string& name, std::int64_t attribute) const;
  const Hdf5File& file_;
  std::int64_t id_;
};

}  // namespace valley
