#include "storage/safetensors.h"

#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/progress_count.h"
#include "core/text.h"
#include "storage/descriptor.h"
#include "storage/safetensors_header.h"

namespace valley {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation has it
constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kAlignment = 64;

std::string utf8_json_string(const std::string& text) {
  if (!is_utf8(text))
    throw Error(ExitCode::kData, "safetensors hold UTF-8 only, which {} is not", quoted_name(text));
  return json_string(text);
}

struct Plan {
  std::string header;  // length, JSON and padding
  std::vector<const at::Tensor*> order;
  std::uint64_t data_bytes = 0;
};

struct Place {
  const std::string* name;
  const at::Tensor* tensor;
  const ElementType* element;
  std::uint64_t begin = 0;
};

// Sorted by descending element size, so that each tensor is aligned, then by name. `places` is
// sorted by name on return, for the header.
void lay_out(std::vector<Place>& places, Plan& plan) {
  std::ranges::stable_sort(places, std::ranges::greater{},
                           [](const Place& place) { return place.element->bits; });
  for (Place& place : places) {
    place.begin = plan.data_bytes;
    plan.data_bytes += static_cast<std::uint64_t>(place.tensor->nbytes());
    plan.order.push_back(place.tensor);
  }
  std::ranges::sort(places, {},
                    [](const Place& place) -> const std::string& { return *place.name; });
}

std::string header_json(const std::map<std::string, std::string>& metadata,
                        const std::vector<Place>& places) {
  std::string json = "{";
  if (!metadata.empty()) {
    json += "\"__metadata__\":";
    char separator = '{';
    for (const auto& [key, value] : metadata) {
      json += separator + utf8_json_string(key) + ":" + utf8_json_string(value);
      separator = ',';
    }
    json += "}";
  }
  for (const Place& place : places) {
    if (json.size() > 1) json += ",";
    json += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        utf8_json_string(*place.name), place.element->name,
                        fmt::join(place.tensor->sizes(), ","), place.begin,
                        place.begin + place.tensor->nbytes());
  }
  return json + "}";
}

Plan make_plan(const TensorFile& contents) {
  Plan plan;
  std::vector<Place> places;
  for (const auto& [name, tensor] : contents.tensors) {
    VALLEY_CHECK(tensor.defined() && name != "__metadata__");
    const ElementType* element = find_element_type(tensor.scalar_type());
    if (element == nullptr)
      throw Error(ExitCode::kInternal, "tensor {} has the type {}, which safetensors cannot hold",
                  quoted_name(name), c10::toString(tensor.scalar_type()));
    places.push_back({&name, &tensor, element});
  }
  lay_out(places, plan);

  std::string json = header_json(contents.metadata, places);
  const std::uint64_t unpadded = kLengthBytes + json.size();
  json.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  if (json.size() > kMaxHeaderBytes)
    throw Error(ExitCode::kInternal, "names and metadata make a safetensors header of {} bytes",
                json.size());
  const std::uint64_t length = json.size();
  plan.header.resize(kLengthBytes);
  std::memcpy(plan.header.data(), &length, kLengthBytes);
  plan.header += json;
  return plan;
}

// Copies bytes [offset, offset + into.size()) of the file; throws if it cannot.
using ReadAt = std::function<void(std::uint64_t offset, std::span<std::byte> into)>;

struct CheckedHeader {
  SafetensorsHeader header;
  std::uint64_t data = 0;  // offset of the data section in the file
};

CheckedHeader read_header(const std::string& file, std::uint64_t size, const ReadAt& read_at) {
  std::uint64_t length = 0;
  if (size < kLengthBytes) refuse_safetensors(file, fmt::format("it has only {} bytes", size));
  read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMaxHeaderBytes)
    refuse_safetensors(file, fmt::format("its header of {} bytes is over the limit of {}", length,
                                         kMaxHeaderBytes));
  if (length > size - kLengthBytes)
    refuse_safetensors(
        file, fmt::format("its header of {} bytes does not fit into a file of {}", length, size));
  std::string json(length, '\0');
  read_at(kLengthBytes, std::as_writable_bytes(std::span(json)));
  const std::uint64_t data = kLengthBytes + length;
  return {parse_safetensors_header(json, size - data, file), data};
}

bool is_read(const TensorEntry& entry) {
  return entry.element != nullptr && entry.element->type != at::ScalarType::Undefined;
}

[[noreturn]] void refuse_type(const std::string& file, const std::string& name,
                              const std::string& dtype) {
  throw Error(ExitCode::kData,
              "{}: tensor {} has the type {}, which valley does not read: convert it to F32 "
              "(tensor.float() in PyTorch) and save the file again",
              file, quoted_name(name), quoted_name(dtype));
}

using Wanted = std::function<bool(const std::string&)>;

TensorFile read_strictly(const std::string& file, std::uint64_t size, const ReadAt& read_at,
                         const Wanted& wanted) {
  auto [header, data] = read_header(file, size, read_at);
  TensorFile contents;
  contents.metadata = std::move(header.metadata);
  for (TensorEntry& entry : header.tensors) {
    if (!wanted(entry.name)) continue;
    if (!is_read(entry)) refuse_type(file, entry.name, entry.dtype);
    const at::Tensor tensor = at::empty(entry.shape, at::TensorOptions(entry.element->type));
    const std::span bytes(static_cast<std::byte*>(tensor.data_ptr()), entry.end - entry.begin);
    if (!bytes.empty()) read_at(data + entry.begin, bytes);
    // Other values of a bool would be undefined behavior.
    if (entry.element->type == at::ScalarType::Bool &&
        std::ranges::any_of(bytes, [](std::byte b) { return b > std::byte{1}; }))
      refuse_safetensors(file,
                         quoted_name(entry.name) + " is BOOL but holds a byte other than 0 and 1");
    contents.tensors.emplace(std::move(entry.name), tensor);
  }
  return contents;
}

void read_fully(int descriptor, std::uint64_t offset, std::span<std::byte> into,
                const std::string& file) {
  while (!into.empty()) {
    const ::ssize_t n = ::pread(descriptor, into.data(), std::min(into.size(), kCountedBytes),
                                static_cast<::off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw file_error("reading", file, errno, false);
    if (n == 0) refuse_safetensors(file, "it became shorter while it was read");
    count_progress();
    offset += static_cast<std::uint64_t>(n);
    into = into.subspan(static_cast<std::size_t>(n));
  }
}

bool all_are_wanted(const std::string& /*name*/) { return true; }

// Open file: name, size and reading.
class OpenFile {
 public:
  // Not mapped into memory: a file that shrinks meanwhile would cause SIGBUS.
  explicit OpenFile(const std::filesystem::path& path)
      : name_(path.string()), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (!descriptor_) throw file_error("opening", name_, errno, false);
    struct ::stat status {};
    if (::fstat(descriptor_.get(), &status) != 0)
      throw file_error("examining", name_, errno, false);
    if (!S_ISREG(status.st_mode))
      throw Error(ExitCode::kMissingInput, "{} is not a file; name a .safetensors file", name_);
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] ReadAt reader() const {
    return [this](std::uint64_t offset, std::span<std::byte> into) {
      read_fully(descriptor_.get(), offset, into, name_);
    };
  }

 private:
  std::string name_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

[[noreturn]] void refuse_missing(const std::string& name, const std::string& where) {
  throw Error(ExitCode::kData, "{} holds no tensor {}; was it made with another model?", where,
              quoted_name(name));
}

void require_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef shape,
                   const std::string& where) {
  if (found == shape) return;
  throw Error(ExitCode::kData,
              "{}: tensor {} has the shape [{}], but [{}] is needed; was it made with another "
              "model?",
              where, quoted_name(name), fmt::join(found, ", "), fmt::join(shape, ", "));
}

}  // namespace

std::uint64_t safetensors_bytes(const TensorFile& contents) {
  const Plan plan = make_plan(contents);
  return plan.header.size() + plan.data_bytes;
}

void stream_safetensors(const TensorFile& contents, const std::function<void(Bytes)>& sink) {
  const Plan plan = make_plan(contents);
  sink(as_bytes(plan.header));
  for (const at::Tensor* tensor : plan.order) {
    if (tensor->numel() == 0) continue;
    const at::Tensor dense = tensor->detach().to(at::kCPU).contiguous();
    sink(Bytes(static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()));
  }
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& contents) {
  AtomicFile file(path);
  stream_safetensors(contents, [&](Bytes bytes) { file.write(bytes); });
  file.commit();
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  return read_safetensors(path, all_are_wanted);
}

TensorFile read_safetensors(const std::filesystem::path& path, const Wanted& wanted) {
  const OpenFile file(path);
  return read_strictly(file.name(), file.size(), file.reader(), wanted);
}

TensorFileOutline outline_safetensors(const std::filesystem::path& path) {
  const OpenFile file(path);
  SafetensorsHeader header = read_header(file.name(), file.size(), file.reader()).header;
  TensorFileOutline outline;
  outline.metadata = std::move(header.metadata);
  for (TensorEntry& entry : header.tensors) {
    const at::ScalarType type = is_read(entry) ? entry.element->type : at::ScalarType::Undefined;
    outline.tensors.emplace(std::move(entry.name),
                            TensorOutline{std::move(entry.shape), type, std::move(entry.dtype)});
  }
  return outline;
}

TensorFile parse_safetensors(Bytes bytes, const std::string& name) {
  const ReadAt read_at = [&](std::uint64_t offset, std::span<std::byte> into) {
    std::ranges::copy(bytes.subspan(offset, into.size()), into.begin());
  };
  return read_strictly(name, bytes.size(), read_at, all_are_wanted);
}

at::Tensor require_tensor(const TensorMap& tensors, const std::string& name, at::IntArrayRef shape,
                          const std::string& where) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) refuse_missing(name, where);
  require_shape(name, found->second.sizes(), shape, where);
  return found->second;
}

void require_tensor(const TensorFileOutline& outline, const std::string& name,
                    at::IntArrayRef shape, const std::string& where) {
  const auto found = outline.tensors.find(name);
  if (found == outline.tensors.end()) refuse_missing(name, where);
  require_shape(name, found->second.shape, shape, where);
  if (found->second.type == at::ScalarType::Undefined)
    refuse_type(where, name, found->second.dtype);
  if (found->second.type != at::ScalarType::Float)
    throw Error(ExitCode::kData, "{}: tensor {} is {}; a model's tensors are F32", where,
                quoted_name(name), found->second.dtype);
}

}  // namespace valley
