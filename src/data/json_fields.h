// Reads fields of a JSON object strictly: Error (kData) naming the file and the field's path
// ("shards[3].bytes") for a missing field, another type or a value out of range.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace valley {

class JsonFields {
 public:
  // `object` must outlive this; `where` is the path of the object, "" at the root.
  JsonFields(const nlohmann::json& object, std::string file, std::string where);

  [[nodiscard]] std::string text(const char* field) const;
  [[nodiscard]] std::string sha256(const char* field) const;  // 64 lower-case hexadecimal digits
  // At most `max`, by default the largest signed 64-bit integer (file offsets, HDF5 integers).
  [[nodiscard]] std::uint64_t count(const char* field, std::uint64_t max = INT64_MAX) const;
  [[nodiscard]] std::vector<std::uint64_t> counts(const char* field) const;
  [[nodiscard]] std::vector<double> numbers(const char* field) const;
  [[nodiscard]] std::vector<std::string> texts(const char* field) const;
  [[nodiscard]] const nlohmann::json& object(const char* field) const;
  [[nodiscard]] const nlohmann::json& list(const char* field) const;
  [[nodiscard]] std::string path(const std::string& field) const;
  [[noreturn]] void fail(const std::string& field, const std::string& expected) const;

 private:
  [[nodiscard]] const nlohmann::json& at(const char* field, const std::string& expected) const;
  const nlohmann::json& object_;
  std::string file_;
  std::string where_;
};

}  // namespace valley
