#include "data/shard_file.h"

#include <hdf5.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/hdf5_attributes.h"
#include "data/hdf5_handle.h"

namespace valley {
namespace {

using Extent = std::vector<::hsize_t>;

constexpr const char* kVectorNames = "label_vector_names";
constexpr const char* kVectors = "label_vectors";
constexpr const char* kDataName = "encoded/data";
constexpr const char* kOffsetsName = "encoded/offsets";
constexpr const char* kCodecName = "encoded/codec";

Hdf5Handle contiguous_properties(const Hdf5File& file) {
  Hdf5Handle properties =
      file.own(::H5Pcreate(H5P_DATASET_CREATE), ::H5Pclose, "making dataset properties");
  file.check(::H5Pset_layout(properties.id(), H5D_CONTIGUOUS), "setting the layout");
  file.check(::H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_EARLY), "setting allocation");
  file.check(::H5Pset_fill_time(properties.id(), H5D_FILL_TIME_NEVER), "setting no fill");
  file.check(::H5Pset_obj_track_times(properties.id(), false), "switching off times");
  return properties;
}

Hdf5Handle create_dataset(const Hdf5File& file, std::int64_t id, const char* name,
                          std::int64_t type, const Extent& extent) {
  const std::string doing = fmt::format("creating /{}", name);
  const Hdf5Handle space =
      file.own(::H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
               ::H5Sclose, doing);
  const Hdf5Handle properties = contiguous_properties(file);
  return file.own(
      ::H5Dcreate2(id, name, type, space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
      ::H5Dclose, doing);
}

Extent image_extent(const ShardHeader& header, std::uint64_t n) {
  return {n, static_cast<::hsize_t>(header.height), static_cast<::hsize_t>(header.width),
          static_cast<::hsize_t>(header.channels)};
}

// Returns the offset of the records.
std::uint64_t create_encoded(const Hdf5File& file, std::int64_t id, std::uint64_t n,
                             std::uint64_t bytes) {
  const Hdf5Handle properties =
      file.own(::H5Pcreate(H5P_GROUP_CREATE), ::H5Pclose, "making group properties");
  file.check(::H5Pset_obj_track_times(properties.id(), false), "switching off times");
  const Hdf5Handle group =
      file.own(::H5Gcreate2(id, "encoded", H5P_DEFAULT, properties.id(), H5P_DEFAULT), ::H5Gclose,
               "creating /encoded");
  create_dataset(file, id, kOffsetsName, H5T_STD_U64LE, {n + 1});
  create_dataset(file, id, kCodecName, H5T_STD_U8LE, {n});
  const Hdf5Handle data = create_dataset(file, id, kDataName, H5T_STD_U8LE, {bytes});
  return ::H5Dget_offset(data.id());
}

void write_header(const Hdf5File& file, std::int64_t id, const ShardHeader& header) {
  const Hdf5Attributes root(file, id);
  root.write("format", std::string(kShardFormat));
  root.write("format_version", kShardFormatVersion);
  root.write("dataset_uuid", header.dataset_uuid);
  root.write("shard_index", static_cast<std::int64_t>(header.shard_index));
  root.write("global_offset", static_cast<std::int64_t>(header.global_offset));
  root.write("layout", std::string(kLayout));
  root.write("resolution", std::vector<std::int64_t>{header.height, header.width});
  root.write("channels", header.channels);
  if (header.storage.is_encoded()) root.write("storage", storage_name(header.storage));
  root.write("transform", header.transform);
  root.write("filter", header.filter);
  root.write("class_names", header.class_names);
  if (!header.label_vector_names.empty()) root.write(kVectorNames, header.label_vector_names);
  root.write("shuffle_seed", header.shuffle_seed);
  root.write("writer_version", header.writer_version);
  root.write("params_json", header.params_json);
}

void write_rows(const Hdf5File& file, std::int64_t id, const char* name, std::int64_t type,
                const void* rows) {
  const std::string doing = fmt::format("writing /{}", name);
  const Hdf5Handle dataset = file.own(::H5Dopen2(id, name, H5P_DEFAULT), ::H5Dclose, doing);
  file.check(::H5Dwrite(dataset.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), doing);
}

ShardHeader read_header(const Hdf5File& file, std::int64_t id) {
  const Hdf5Attributes root(file, id);
  if (!root.has("format") || root.text("format") != kShardFormat)
    file.fail("is not a shard of Valley (its attribute \"format\" differs)");
  const std::int64_t version = root.number("format_version");
  if (version != kShardFormatVersion)
    file.fail(fmt::format("has format version {}; this program reads version {}", version,
                          kShardFormatVersion));
  if (!root.has("complete") || root.number("complete") != 1)
    file.fail(
        "is incomplete: its writer was interrupted; run valley shard build again with --resume");
  if (root.text("layout") != kLayout)
    file.fail(fmt::format("has layout {}; this program reads {}", root.text("layout"), kLayout));
  ShardHeader header;
  header.dataset_uuid = root.text("dataset_uuid");
  header.shard_index = static_cast<std::uint64_t>(root.number("shard_index"));
  header.global_offset = static_cast<std::uint64_t>(root.number("global_offset"));
  const std::vector<std::int64_t> resolution = root.numbers("resolution");
  if (resolution.size() != 2) file.fail("the attribute resolution should be (height, width)");
  header.height = resolution[0];
  header.width = resolution[1];
  header.channels = root.number("channels");
  if (root.has("storage")) {
    const std::optional<Storage> storage = find_storage(root.text("storage"));
    if (!storage) file.fail(fmt::format("has the unknown storage {}", root.text("storage")));
    header.storage = *storage;
  }
  header.transform = root.text("transform");
  header.filter = root.text("filter");
  header.class_names = root.texts("class_names");
  if (root.has(kVectorNames)) header.label_vector_names = root.texts(kVectorNames);
  header.shuffle_seed = root.number("shuffle_seed");
  header.writer_version = root.text("writer_version");
  header.params_json = root.text("params_json");
  return header;
}

// Opens a dataset and checks its shape, kind of type and contiguous layout.
class RowReader {
 public:
  RowReader(const Hdf5File& file, std::int64_t id, const char* name, const Extent& extent,
            ::H5T_class_t kind)
      : file_(file),
        name_(name),
        dataset_(file.own(::H5Dopen2(id, name, H5P_DEFAULT), ::H5Dclose, doing())),
        type_(file.own(::H5Dget_type(dataset_.id()), ::H5Tclose, doing())) {
    const Hdf5Handle space = file.own(::H5Dget_space(dataset_.id()), ::H5Sclose, doing());
    const Hdf5Handle properties =
        file.own(::H5Dget_create_plist(dataset_.id()), ::H5Pclose, doing());
    Extent found(static_cast<std::size_t>(std::max(0, ::H5Sget_simple_extent_ndims(space.id()))));
    if (!found.empty()) ::H5Sget_simple_extent_dims(space.id(), found.data(), nullptr);
    if (found != extent) file.fail(fmt::format("/{} has another shape than expected", name));
    if (::H5Tget_class(type_.id()) != kind)
      file.fail(fmt::format("/{} has another type than expected", name));
    if (::H5Pget_layout(properties.id()) != H5D_CONTIGUOUS ||
        ::H5Pget_external_count(properties.id()) != 0)
      file.fail(fmt::format("/{} should be contiguous", name));
  }
  [[nodiscard]] std::int64_t type() const { return type_.id(); }
  [[nodiscard]] std::size_t type_bytes() const { return ::H5Tget_size(type_.id()); }
  [[nodiscard]] std::uint64_t offset() const {
    const ::haddr_t offset = ::H5Dget_offset(dataset_.id());
    if (offset == HADDR_UNDEF) file_.fail(fmt::format("/{} has no data", name_));
    return offset;
  }
  void read(std::int64_t memory_type, void* rows) const {
    file_.check(::H5Dread(dataset_.id(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows),
                doing());
  }

 private:
  [[nodiscard]] std::string doing() const { return "reading /" + name_; }
  const Hdf5File& file_;
  std::string name_;
  Hdf5Handle dataset_;
  Hdf5Handle type_;
};

// The offsets are checked here, so that readers may use them without further checks.
void read_encoded(const Hdf5File& file, std::int64_t id, std::uint64_t n, ShardContents& contents) {
  std::vector<std::uint64_t>& offsets = contents.rows.offsets;
  offsets.resize(n + 1);
  contents.rows.codecs.resize(n);
  RowReader(file, id, kOffsetsName, {n + 1}, H5T_INTEGER).read(H5T_NATIVE_UINT64, offsets.data());
  RowReader(file, id, kCodecName, {n}, H5T_INTEGER)
      .read(H5T_NATIVE_UINT8, contents.rows.codecs.data());
  if (offsets.front() != 0 ||
      std::ranges::adjacent_find(offsets, std::ranges::greater_equal{}) != offsets.end())
    file.fail("/encoded/offsets should begin with 0 and grow");
  const RowReader data(file, id, kDataName, {offsets.back()}, H5T_INTEGER);
  if (data.type_bytes() != 1) file.fail("/encoded/data should hold bytes");
  contents.data_offset = data.offset();
  contents.data_bytes = offsets.back();
}

FixedStrings read_names(const Hdf5File& file, std::int64_t id, std::uint64_t n) {
  const RowReader names(file, id, "names", {n}, H5T_STRING);
  const std::size_t width = names.type_bytes();
  std::error_code failure;
  const std::uint64_t file_bytes = std::filesystem::file_size(file.path(), failure);
  if (failure) throw file_error("asking the size of", file.path().string(), failure.value(), false);
  if (::H5Tis_variable_str(names.type()) != 0 || width == 0 || width > file_bytes / n)
    file.fail("/names should be fixed-length text");
  std::string bytes(width * n, '\0');
  names.read(names.type(), bytes.data());
  return {width, std::move(bytes)};
}

}  // namespace

std::string shard_file_name(std::uint64_t index) { return fmt::format("shard-{:05}.h5", index); }

std::string chunk_file_name(std::uint64_t index) {
  return fmt::format(".{}.done.tmp", shard_file_name(index));
}

void FixedStrings::push_back(std::string_view text) {
  VALLEY_CHECK(text.size() <= width_ && text.find('\0') == std::string_view::npos);
  bytes_ += text;
  bytes_.append(width_ - text.size(), '\0');
}

std::string_view FixedStrings::operator[](std::uint64_t i) const {
  const std::string_view padded = std::string_view(bytes_).substr(i * width_, width_);
  return padded.substr(0, padded.find('\0'));
}

std::uint64_t create_shard_file(const std::filesystem::path& path, const ShardHeader& header,
                                std::uint64_t n, std::size_t name_width,
                                std::uint64_t encoded_bytes) {
  const Hdf5File file(path, true);
  Hdf5Handle opened =
      file.own(::H5Fcreate(path.c_str(), H5F_ACC_TRUNC, file_creation_properties(file).id(),
                           file_access_properties(file).id()),
               ::H5Fclose, "creating the shard");
  write_header(file, opened.id(), header);
  create_dataset(file, opened.id(), "labels", H5T_STD_I64LE, {n});
  create_dataset(file, opened.id(), "names", string_type(file, name_width).id(), {n});
  create_dataset(file, opened.id(), "crc32c", H5T_STD_U32LE, {n});
  create_dataset(file, opened.id(), "orig_size", H5T_STD_U32LE, {n, 2});
  if (!header.label_vector_names.empty())
    create_dataset(file, opened.id(), kVectors, H5T_IEEE_F32LE,
                   {n, header.label_vector_names.size()});
  std::uint64_t offset = 0;
  if (header.storage.is_encoded()) {
    offset = create_encoded(file, opened.id(), n, encoded_bytes);
  } else {
    const Hdf5Handle images =
        create_dataset(file, opened.id(), "images", H5T_STD_U8LE, image_extent(header, n));
    offset = ::H5Dget_offset(images.id());
  }
  VALLEY_CHECK(offset != HADDR_UNDEF);
  file.check(opened.close(), "closing the new shard");
  return offset;
}

void complete_shard_file(const std::filesystem::path& path, const ShardRows& rows) {
  const Hdf5File file(path, true);
  Hdf5Handle opened =
      file.own(::H5Fopen(path.c_str(), H5F_ACC_RDWR, file_access_properties(file).id()), ::H5Fclose,
               "opening the shard again");
  write_rows(file, opened.id(), "labels", H5T_NATIVE_INT64, rows.labels.data());
  write_rows(file, opened.id(), "names", string_type(file, rows.names.width()).id(),
             rows.names.bytes().data());
  write_rows(file, opened.id(), "crc32c", H5T_NATIVE_UINT32, rows.crc32c.data());
  write_rows(file, opened.id(), "orig_size", H5T_NATIVE_UINT32, rows.orig_size.data());
  if (!rows.label_vectors.empty())
    write_rows(file, opened.id(), kVectors, H5T_NATIVE_FLOAT, rows.label_vectors.data());
  if (!rows.offsets.empty()) {
    write_rows(file, opened.id(), kOffsetsName, H5T_NATIVE_UINT64, rows.offsets.data());
    write_rows(file, opened.id(), kCodecName, H5T_NATIVE_UINT8, rows.codecs.data());
  }
  Hdf5Attributes(file, opened.id()).write("complete", std::int64_t{1});
  file.check(opened.close(), "closing the shard");
}

ShardContents read_shard_file(const std::filesystem::path& path, std::uint64_t n) {
  const Hdf5File file(path, false);
  const Hdf5Handle opened =
      file.own(::H5Fopen(path.c_str(), H5F_ACC_RDONLY, file_access_properties(file).id()),
               ::H5Fclose, "opening the shard");
  ShardContents contents;
  contents.header = read_header(file, opened.id());
  if (contents.header.storage.is_encoded()) {
    read_encoded(file, opened.id(), n, contents);
  } else {
    const RowReader images(file, opened.id(), "images", image_extent(contents.header, n),
                           H5T_INTEGER);
    if (images.type_bytes() != 1) file.fail("/images should hold bytes");
    contents.data_offset = images.offset();
    contents.data_bytes = n * contents.header.image_bytes();
  }
  const RowReader labels(file, opened.id(), "labels", {n}, H5T_INTEGER);
  const RowReader crc32c(file, opened.id(), "crc32c", {n}, H5T_INTEGER);
  const RowReader orig_size(file, opened.id(), "orig_size", {n, 2}, H5T_INTEGER);
  contents.rows.labels.resize(n);
  contents.rows.crc32c.resize(n);
  contents.rows.orig_size.resize(n);
  labels.read(H5T_NATIVE_INT64, contents.rows.labels.data());
  crc32c.read(H5T_NATIVE_UINT32, contents.rows.crc32c.data());
  orig_size.read(H5T_NATIVE_UINT32, contents.rows.orig_size.data());
  if (const std::size_t values = contents.header.label_vector_names.size(); values > 0) {
    const RowReader vectors(file, opened.id(), kVectors, {n, values}, H5T_FLOAT);
    contents.rows.label_vectors.resize(n * values);
    vectors.read(H5T_NATIVE_FLOAT, contents.rows.label_vectors.data());
  }
  contents.rows.names = read_names(file, opened.id(), n);
  return contents;
}

}  // namespace valley
