#include "data/hdf5_attributes.h"

#include <hdf5.h>

#include <algorithm>

namespace valley {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;  // limit for one attribute when reading

Hdf5Handle scalar_space(const Hdf5File& file) {
  return file.own(::H5Screate(H5S_SCALAR), ::H5Sclose, "making a scalar");
}

Hdf5Handle list_space(const Hdf5File& file, std::size_t count) {
  const ::hsize_t extent = count;
  return file.own(::H5Screate_simple(1, &extent, nullptr), ::H5Sclose, "making a list");
}

std::string without_padding(const char* text, std::size_t width) {
  return {text, static_cast<std::size_t>(std::find(text, text + width, '\0') - text)};
}

}  // namespace

void Hdf5Attributes::write_raw(const std::string& name, std::int64_t type, std::int64_t space,
                               const void* data) const {
  const std::string doing = "writing the attribute " + name;
  const Hdf5Handle attribute = file_.own(
      ::H5Acreate2(id_, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), ::H5Aclose, doing);
  file_.check(::H5Awrite(attribute.id(), type, data), doing);
}

void Hdf5Attributes::write(const std::string& name, const std::string& text) const {
  std::string padded = text.empty() ? std::string(1, '\0') : text;
  write_raw(name, string_type(file_, padded.size()).id(), scalar_space(file_).id(), padded.data());
}

void Hdf5Attributes::write(const std::string& name, std::int64_t number) const {
  write_raw(name, H5T_STD_I64LE, scalar_space(file_).id(), &number);
}

void Hdf5Attributes::write(const std::string& name,
                           const std::vector<std::int64_t>& numbers) const {
  write_raw(name, H5T_STD_I64LE, list_space(file_, numbers.size()).id(), numbers.data());
}

void Hdf5Attributes::write(const std::string& name, const std::vector<std::string>& texts) const {
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  std::string padded(width * texts.size(), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(&padded[i * width], width);
  write_raw(name, string_type(file_, width).id(), list_space(file_, texts.size()).id(),
            padded.data());
}

bool Hdf5Attributes::has(const std::string& name) const {
  return ::H5Aexists(id_, name.c_str()) > 0;
}

std::size_t Hdf5Attributes::count_of(const std::string& name, std::int64_t attribute) const {
  const Hdf5Handle space =
      file_.own(::H5Aget_space(attribute), ::H5Sclose, "reading the attribute " + name);
  const ::hssize_t count = ::H5Sget_simple_extent_npoints(space.id());
  if (count < 0 || static_cast<std::size_t>(count) > kMaxBytes)
    file_.fail(fmt::format("the attribute {} has an invalid extent", name));
  return static_cast<std::size_t>(count);
}

std::vector<std::int64_t> Hdf5Attributes::numbers(const std::string& name) const {
  const std::string doing = "reading the attribute " + name;
  const Hdf5Handle attribute =
      file_.own(::H5Aopen(id_, name.c_str(), H5P_DEFAULT), ::H5Aclose, doing);
  const Hdf5Handle type = file_.own(::H5Aget_type(attribute.id()), ::H5Tclose, doing);
  const std::size_t count = count_of(name, attribute.id());
  if (::H5Tget_class(type.id()) != H5T_INTEGER || count > kMaxBytes / sizeof(std::int64_t))
    file_.fail(fmt::format("the attribute {} should hold integers", name));
  std::vector<std::int64_t> values(count);
  if (count > 0) file_.check(::H5Aread(attribute.id(), H5T_NATIVE_INT64, values.data()), doing);
  return values;
}

std::int64_t Hdf5Attributes::number(const std::string& name) const {
  const std::vector<std::int64_t> values = numbers(name);
  if (values.size() != 1) file_.fail(fmt::format("the attribute {} should be one integer", name));
  return values[0];
}

std::string Hdf5Attributes::read_strings(const std::string& name, std::size_t& count,
                                         std::size_t& width) const {
  const std::string doing = "reading the attribute " + name;
  const Hdf5Handle attribute =
      file_.own(::H5Aopen(id_, name.c_str(), H5P_DEFAULT), ::H5Aclose, doing);
  const Hdf5Handle type = file_.own(::H5Aget_type(attribute.id()), ::H5Tclose, doing);
  if (::H5Tget_class(type.id()) != H5T_STRING || ::H5Tis_variable_str(type.id()) != 0)
    file_.fail(fmt::format("the attribute {} should be fixed-length text", name));
  count = count_of(name, attribute.id());
  width = ::H5Tget_size(type.id());
  if (width == 0 || count > kMaxBytes / width)
    file_.fail(fmt::format("the attribute {} is too long", name));
  std::string padded(width * count, '\0');
  if (count > 0) file_.check(::H5Aread(attribute.id(), type.id(), padded.data()), doing);
  return padded;
}

std::vector<std::string> Hdf5Attributes::texts(const std::string& name) const {
  std::size_t count = 0;
  std::size_t width = 0;
  const std::string padded = read_strings(name, count, width);
  std::vector<std::string> values;
  values.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(without_padding(&padded[i * width], width));
  return values;
}

std::string Hdf5Attributes::text(const std::string& name) const {
  const std::vector<std::string> values = texts(name);
  if (values.size() != 1) file_.fail(fmt::format("the attribute {} should be one text", name));
  return values[0];
}

}  // namespace valley
