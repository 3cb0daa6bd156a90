#include "sources/hdf5_arrays.h"

#include <fmt/ranges.h>
#include <hdf5.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/read_file.h"
#include "data/hdf5_handle.h"
#include "sources/byte_rows.h"
#include "sources/numpy_files.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

// Shape and type of a dataset, without its values.
struct Found {
  std::string name;  // "/train/imgs"
  std::vector<std::uint64_t> shape;
  bool is_bytes = false;    // unsigned, 8 bits
  bool is_integer = false;  // whole numbers of up to 64 bits
};

Hdf5Handle open_file(const Hdf5File& file) {
  return file.own(::H5Fopen(file.path().c_str(), H5F_ACC_RDONLY, file_access_properties(file).id()),
                  ::H5Fclose, "opening");
}

std::vector<std::uint64_t> shape_of(const Hdf5File& file, std::int64_t dataset,
                                    const std::string& name) {
  const Hdf5Handle space = file.own(::H5Dget_space(dataset), ::H5Sclose, "reading " + name);
  std::vector<::hsize_t> extent(
      static_cast<std::size_t>(std::max(0, ::H5Sget_simple_extent_ndims(space.id()))));
  if (!extent.empty()) ::H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr);
  return {extent.begin(), extent.end()};
}

Found look_at(const Hdf5File& file, std::int64_t id, const std::string& name) {
  const std::string doing = "reading " + name;
  const Hdf5Handle dataset = file.own(::H5Dopen2(id, name.c_str(), H5P_DEFAULT), ::H5Dclose, doing);
  const Hdf5Handle type = file.own(::H5Dget_type(dataset.id()), ::H5Tclose, doing);
  Found found{name, shape_of(file, dataset.id(), name)};
  found.is_integer = ::H5Tget_class(type.id()) == H5T_INTEGER && ::H5Tget_size(type.id()) <= 8;
  found.is_bytes =
      found.is_integer && ::H5Tget_size(type.id()) == 1 && ::H5Tget_sign(type.id()) == H5T_SGN_NONE;
  return found;
}

// Called for each object of the file; keeps the names of datasets. Does not follow links to other
// files.
int keep_datasets(::hid_t /*root*/, const char* name, const ::H5O_info_t* info, void* names) {
  if (info->type == H5O_TYPE_DATASET)
    static_cast<std::vector<std::string>*>(names)->push_back(std::string("/") + name);
  return 0;
}

std::vector<Found> datasets_of(const Hdf5File& file, std::int64_t id) {
  std::vector<std::string> names;
  file.check(::H5Ovisit2(id, H5_INDEX_NAME, H5_ITER_INC, keep_datasets, &names, H5O_INFO_BASIC),
             "listing its datasets");
  std::vector<Found> found;
  for (const std::string& name : names) found.push_back(look_at(file, id, name));
  return found;
}

std::string describe(const std::vector<Found>& all) {
  std::string text;
  for (const Found& one : all)
    text +=
        fmt::format("{}{} [{}]", text.empty() ? "" : ", ", one.name, fmt::join(one.shape, ", "));
  return text.empty() ? "none" : text;
}

const Found& find_images(const std::vector<Found>& all, const std::optional<std::string>& named,
                         const Hdf5File& file) {
  std::vector<const Found*> candidates;
  for (const Found& one : all) {
    const bool is_meant = !named || one.name == *named || one.name == "/" + *named;
    if (is_meant && one.is_bytes && image_shape(one.shape)) candidates.push_back(&one);
  }
  if (candidates.size() == 1) return *candidates.front();
  if (named)
    file.fail(fmt::format("has no dataset {} of uint8 [n, height, width, 3] or the like; it has {}",
                          *named, describe(all)));
  file.fail(fmt::format("has {} datasets of images; its datasets are {}: name one with --dataset",
                        candidates.size(), describe(all)));
}

const Found* find_labels(const std::vector<Found>& all, const Found& images) {
  const std::string beside = images.name.substr(0, images.name.rfind('/') + 1) + "labels";
  std::vector<const Found*> candidates;
  for (const Found& one : all) {
    const bool has_one_each =
        one.is_integer && !one.shape.empty() && one.shape[0] == images.shape[0] &&
        (one.shape.size() == 1 || (one.shape.size() == 2 && one.shape[1] == 1));
    if (has_one_each && one.name == beside) return &one;
    if (has_one_each) candidates.push_back(&one);
  }
  return candidates.size() == 1 ? candidates.front() : nullptr;
}

std::vector<std::int64_t> read_labels(const Hdf5File& file, std::int64_t id, const Found& labels) {
  const std::string doing = "reading " + labels.name;
  const Hdf5Handle dataset =
      file.own(::H5Dopen2(id, labels.name.c_str(), H5P_DEFAULT), ::H5Dclose, doing);
  std::vector<std::int64_t> values(labels.shape[0]);
  file.check(
      ::H5Dread(dataset.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
      doing);
  return values;
}

// Offset of the values in the file; nothing if they are in chunks, in other files or not there.
std::optional<std::uint64_t> contiguous_offset(const Hdf5File& file, std::int64_t dataset) {
  const Hdf5Handle properties =
      file.own(::H5Dget_create_plist(dataset), ::H5Pclose, "reading its layout");
  if (::H5Pget_layout(properties.id()) != H5D_CONTIGUOUS ||
      ::H5Pget_external_count(properties.id()) != 0)
    return std::nullopt;
  const ::haddr_t offset = ::H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF) return std::nullopt;
  return offset;
}

// Rows that HDF5 reads, one thread at a time.
class Hdf5Rows final : public ImageRows {
 public:
  Hdf5Rows(fs::path path, const Found& images)
      : path_(std::move(path)), name_(images.name), shape_(images.shape) {
    const Hdf5File file(path_, false);
    file_ = std::make_unique<Hdf5Handle>(open_file(file));
    const Hdf5Handle access =
        file.own(::H5Pcreate(H5P_DATASET_ACCESS), ::H5Pclose, "making access properties");
    // Room for a few chunks of compressed images.
    constexpr std::size_t kSlots = 10007;
    constexpr std::size_t kCache = std::size_t{256} << 20U;
    file.check(::H5Pset_chunk_cache(access.id(), kSlots, kCache, 1.0), "setting the chunk cache");
    dataset_ = std::make_unique<Hdf5Handle>(file.own(
        ::H5Dopen2(file_->id(), name_.c_str(), access.id()), ::H5Dclose, "reading " + name_));
  }
  ~Hdf5Rows() override {
    const Hdf5File file(path_, false);
    dataset_.reset();
    file_.reset();
  }
  Hdf5Rows(const Hdf5Rows&) = delete;
  Hdf5Rows& operator=(const Hdf5Rows&) = delete;
  [[nodiscard]] std::uint64_t size() const override { return shape_[0]; }
  void read(std::uint64_t index, std::span<std::byte> to) const override {
    const Hdf5File file(path_, false);
    const std::string doing = "reading " + name_;
    const Hdf5Handle space = file.own(::H5Dget_space(dataset_->id()), ::H5Sclose, doing);
    std::vector<::hsize_t> start(shape_.size(), 0);
    std::vector<::hsize_t> count(shape_.begin(), shape_.end());
    start[0] = index;
    count[0] = 1;
    file.check(::H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr,
                                     count.data(), nullptr),
               doing);
    const Hdf5Handle memory =
        file.own(::H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                 ::H5Sclose, doing);
    file.check(::H5Dread(dataset_->id(), H5T_NATIVE_UINT8, memory.id(), space.id(), H5P_DEFAULT,
                         to.data()),
               doing);
  }

 private:
  fs::path path_;
  std::string name_;
  std::vector<std::uint64_t> shape_;
  std::unique_ptr<Hdf5Handle> file_;
  std::unique_ptr<Hdf5Handle> dataset_;
};

std::unique_ptr<ImageRows> rows_of(const Hdf5File& file, std::int64_t id, const Found& images,
                                   std::uint64_t image_bytes) {
  std::optional<std::uint64_t> offset;
  {
    const Hdf5Handle dataset = file.own(::H5Dopen2(id, images.name.c_str(), H5P_DEFAULT),
                                        ::H5Dclose, "reading " + images.name);
    offset = contiguous_offset(file, dataset.id());
  }
  if (!offset) return std::make_unique<Hdf5Rows>(file.path(), images);
  std::shared_ptr<const ByteRange> bytes = open_bytes(file.path());
  if (*offset > bytes->size() || images.shape[0] > (bytes->size() - *offset) / image_bytes)
    file.fail(fmt::format("is truncated: {} ends after the file", images.name));
  return std::make_unique<StridedRows>(
      std::vector<RowPart>{{std::move(bytes), *offset, images.shape[0]}}, image_bytes);
}

}  // namespace

bool is_hdf5(std::string_view begin) { return begin.starts_with("\x89HDF\r\n\x1a\n"); }

ImageArrays open_hdf5(const fs::path& path, const std::optional<std::string>& dataset) {
  const Hdf5File file(path, false);
  const Hdf5Handle opened = open_file(file);
  const std::vector<Found> all = datasets_of(file, opened.id());
  const Found& images = find_images(all, dataset, file);
  ImageArrays arrays;
  arrays.kind = "hdf5";
  arrays.name = fmt::format("{}: {}", path.string(), images.name);
  arrays.shape = *image_shape(images.shape);
  arrays.rows = rows_of(file, opened.id(), images, arrays.shape.bytes());
  if (const Found* labels = find_labels(all, images)) {
    arrays.labels = read_labels(file, opened.id(), *labels);
  } else {
    arrays.notes.push_back("no dataset has a label per image, so the images have none");
  }
  return arrays;
}

}  // namespace valley
