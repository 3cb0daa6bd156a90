#include "data/index_file.h"

#include <hdf5.h>

#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "data/hdf5_attributes.h"
#include "data/hdf5_handle.h"
#include "data/positioned_file.h"
#include "data/shard_file.h"

namespace valley {
namespace {

// `row`: shape of the entry of one image.
void write_virtual_dataset(const Hdf5File& file, std::int64_t id, const Manifest& manifest,
                           const char* name, std::int64_t type, const std::vector<::hsize_t>& row) {
  const std::string doing = fmt::format("writing the virtual data set /{}", name);
  const auto space_of = [&](std::uint64_t images) {
    std::vector<::hsize_t> extent{images};
    extent.insert(extent.end(), row.begin(), row.end());
    return file.own(::H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                    ::H5Sclose, doing);
  };
  const Hdf5Handle space = space_of(manifest.images);
  const Hdf5Handle properties =
      file.own(::H5Pcreate(H5P_DATASET_CREATE), ::H5Pclose, "making dataset properties");
  file.check(::H5Pset_obj_track_times(properties.id(), false), "switching off times");
  for (const ShardEntry& entry : manifest.shards) {
    std::vector<::hsize_t> start(row.size() + 1, 0);
    start[0] = entry.global_offset;
    std::vector<::hsize_t> count{entry.images};
    count.insert(count.end(), row.begin(), row.end());
    file.check(::H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr,
                                     count.data(), nullptr),
               doing);
    file.check(::H5Pset_virtual(properties.id(), space.id(), entry.file.c_str(), name,
                                space_of(entry.images).id()),
               doing);
  }
  file.check(::H5Sselect_all(space.id()), doing);
  const Hdf5Handle dataset =
      file.own(::H5Dcreate2(id, name, type, space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
               ::H5Dclose, doing);
}

void write_attributes(const Hdf5File& file, std::int64_t id, const Manifest& manifest) {
  const Hdf5Attributes root(file, id);
  root.write("format", std::string("valley-index"));
  root.write("format_version", kShardFormatVersion);
  root.write("dataset_uuid", manifest.dataset_uuid);
  root.write("fingerprint", manifest.fingerprint);
  root.write("layout", std::string(kLayout));
  root.write("resolution", std::vector<std::int64_t>{manifest.height, manifest.width});
  root.write("channels", manifest.channels);
  root.write("class_names", manifest.class_names);
}

}  // namespace

void write_index_file(const std::filesystem::path& directory, const Manifest& manifest,
                      std::size_t name_width) {
  const std::filesystem::path temporary = directory / fmt::format(".{}.tmp", kIndexFile);
  const Hdf5File file(temporary, true);
  {
    Hdf5Handle opened =
        file.own(::H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, file_creation_properties(file).id(),
                             file_access_properties(file).id()),
                 ::H5Fclose, "creating the index");
    const auto add = [&](const char* name, std::int64_t type, const std::vector<::hsize_t>& row) {
      write_virtual_dataset(file, opened.id(), manifest, name, type, row);
    };
    write_attributes(file, opened.id(), manifest);
    if (!manifest.form.storage.is_encoded())
      add("images", H5T_STD_U8LE,
          {static_cast<::hsize_t>(manifest.height), static_cast<::hsize_t>(manifest.width),
           static_cast<::hsize_t>(manifest.channels)});
    add("labels", H5T_STD_I64LE, {});
    add("names", string_type(file, name_width).id(), {});
    add("crc32c", H5T_STD_U32LE, {});
    add("orig_size", H5T_STD_U32LE, {2});
    if (!manifest.label_vector_names.empty())
      add("label_vectors", H5T_IEEE_F32LE, {manifest.label_vector_names.size()});
    file.check(opened.close(), "closing the index");
  }
  PositionedFile::open_to_write(temporary).sync();
  std::error_code status;
  std::filesystem::rename(temporary, directory / kIndexFile, status);
  if (status)
    throw file_error("finishing", (directory / kIndexFile).string(), status.value(), true);
  sync_directory(directory);
}

}  // namespace valley
