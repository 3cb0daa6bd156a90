#include "data/json_fields.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/json_text.h"

namespace valley {

using nlohmann::json;

JsonFields::JsonFields(const json& object, std::string file, std::string where)
    : object_(object), file_(std::move(file)), where_(std::move(where)) {
  if (!object_.is_object())
    throw Error(ExitCode::kData, "{}: {} should be an object", file_,
                where_.empty() ? "the whole" : where_);
}

std::string JsonFields::path(const std::string& field) const {
  return where_.empty() ? field : where_ + "." + field;
}

void JsonFields::fail(const std::string& field, const std::string& expected) const {
  const auto found = object_.find(field);
  throw Error(ExitCode::kData, "{}: field {} should be {}, but {}", file_, path(field), expected,
              found == object_.end() ? "is missing" : "is " + write_json(*found).substr(0, 60));
}

const json& JsonFields::at(const char* field, const std::string& expected) const {
  const auto found = object_.find(field);
  if (found == object_.end()) fail(field, expected);
  return *found;
}

std::string JsonFields::text(const char* field) const {
  const json& value = at(field, "text");
  if (!value.is_string()) fail(field, "text");
  return value.get<std::string>();
}

std::string JsonFields::sha256(const char* field) const {
  const char* const expected = "64 lower-case hexadecimal digits";
  const json& value = at(field, expected);
  if (!value.is_string()) fail(field, expected);
  std::string text = value.get<std::string>();
  const bool is_hex = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (text.size() != 64 || !is_hex) fail(field, expected);
  return text;
}

std::uint64_t JsonFields::count(const char* field, std::uint64_t max) const {
  const std::string expected = fmt::format("an integer from 0 to {}", max);
  const json& value = at(field, expected);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) fail(field, expected);
  return value.get<std::uint64_t>();
}

std::vector<std::uint64_t> JsonFields::counts(const char* field) const {
  std::vector<std::uint64_t> values;
  for (const json& value : list(field)) {
    if (!value.is_number_unsigned()) fail(field, "a list of integers from 0");
    values.push_back(value.get<std::uint64_t>());
  }
  return values;
}

std::vector<double> JsonFields::numbers(const char* field) const {
  std::vector<double> values;
  for (const json& value : list(field)) {
    if (!value.is_number()) fail(field, "a list of numbers");
    values.push_back(value.get<double>());
  }
  return values;
}

std::vector<std::string> JsonFields::texts(const char* field) const {
  std::vector<std::string> values;
  for (const json& value : list(field)) {
    if (!value.is_string()) fail(field, "a list of texts");
    values.push_back(value.get<std::string>());
  }
  return values;
}

const json& JsonFields::object(const char* field) const {
  const json& value = at(field, "an object");
  if (!value.is_object()) fail(field, "an object");
  return value;
}

const json& JsonFields::list(const char* field) const {
  const json& value = at(field, "a list");
  if (!value.is_array()) fail(field, "a list");
  return value;
}

}  // namespace valley
