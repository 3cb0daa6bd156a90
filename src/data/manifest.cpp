#include "data/manifest.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/numbers.h"
#include "core/read_file.h"
#include "core/self_digest.h"
#include "data/json_fields.h"
#include "data/record_decoder.h"
#include "data/shard_entry_json.h"
#include "data/shard_file.h"

namespace valley {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kFormat = "valley-dataset";
constexpr std::uint64_t kFormatVersion = 1;
constexpr const char* kVectorNamesField = "label_vector_names";
constexpr const char* kVectorMeansField = "label_vector_means";
constexpr std::uint64_t kMaxSide = 65535;  // pixels
constexpr std::uintmax_t kMaxManifestBytes = std::uintmax_t{256} << 20U;

}  // namespace

ordered_json entry_to_json(const ShardEntry& entry, bool has_data_bytes) {
  ordered_json fields{{"file", entry.file},
                      {"state", "committed"},
                      {"bytes", entry.bytes},
                      {"sha256", entry.sha256},
                      {"meta_sha256", entry.meta_sha256},
                      {"n", entry.images},
                      {"global_offset", entry.global_offset},
                      {"data_offset", entry.data_offset},
                      {"sum", entry.sum},
                      {"sum_squares", entry.sum_squares}};
  if (has_data_bytes) fields["data_bytes"] = entry.data_bytes;
  return fields;
}

ShardEntry entry_from_json(const JsonFields& fields, bool has_data_bytes) {
  ShardEntry entry;
  entry.file = fields.text("file");
  if (fields.text("state") != "committed") fields.fail("state", "\"committed\"");
  entry.bytes = fields.count("bytes");
  entry.sha256 = fields.sha256("sha256");
  entry.meta_sha256 = fields.sha256("meta_sha256");
  entry.images = fields.count("n");
  entry.global_offset = fields.count("global_offset");
  entry.data_offset = fields.count("data_offset");
  if (has_data_bytes) entry.data_bytes = fields.count("data_bytes");
  entry.sum = fields.counts("sum");
  entry.sum_squares = fields.counts("sum_squares");
  return entry;
}

namespace {

// Invariants that readers rely on: file names within the directory, an O(1) index, pixels within
// the file.
void check_entry(Manifest& manifest, std::uint64_t index, bool is_last, const JsonFields& fields) {
  ShardEntry& entry = manifest.shards[index];
  if (entry.file != shard_file_name(index))
    fields.fail("file", fmt::format("\"{}\"", shard_file_name(index)));
  if (entry.images == 0 || entry.images > manifest.shard_images ||
      (!is_last && entry.images != manifest.shard_images))
    fields.fail(
        "n", is_last ? fmt::format("from 1 to {}", manifest.shard_images)
                     : fmt::format("{}, as only the last shard may differ", manifest.shard_images));
  if (entry.global_offset != manifest.images)
    fields.fail("global_offset", fmt::format("{}", manifest.images));
  const bool is_encoded = manifest.form.storage.is_encoded();
  const std::uint64_t image_bytes = is_encoded ? 1 : manifest.image_bytes();  // at least
  if (entry.data_offset > entry.bytes ||
      entry.images > (entry.bytes - entry.data_offset) / image_bytes)
    fields.fail("data_offset", fmt::format("such that {} images of {} bytes end within the file's "
                                           "{} bytes",
                                           entry.images, image_bytes, entry.bytes));
  if (!is_encoded) entry.data_bytes = entry.images * image_bytes;
  if (entry.data_bytes < entry.images || entry.data_bytes > entry.bytes - entry.data_offset)
    fields.fail("data_bytes", fmt::format("from {}, the number of images, to {}, the bytes after "
                                          "data_offset",
                                          entry.images, entry.bytes - entry.data_offset));
  const auto channels = static_cast<std::size_t>(manifest.channels);
  if (entry.sum.size() != channels) fields.fail("sum", "one integer per channel");
  if (entry.sum_squares.size() != channels) fields.fail("sum_squares", "one integer per channel");
}

std::map<std::int64_t, std::uint64_t> histogram_from_json(const JsonFields& root) {
  std::map<std::int64_t, std::uint64_t> histogram;
  for (const auto& [key, value] : root.object("class_histogram").items()) {
    const auto label = parse_number<std::int64_t>(key);
    if (!label || !value.is_number_unsigned())
      root.fail("class_histogram", "an object of label: count");
    histogram[*label] = value.get<std::uint64_t>();
  }
  return histogram;
}

std::map<std::string, std::uint64_t> rejects_from_json(const JsonFields& root) {
  std::map<std::string, std::uint64_t> rejects;
  for (const auto& [reason, value] : root.object("rejects").items()) {
    if (!value.is_number_unsigned()) root.fail("rejects", "an object of reason: count");
    rejects[reason] = value.get<std::uint64_t>();
  }
  return rejects;
}

void read_shape(Manifest& manifest, const JsonFields& root) {
  const auto side = [&root](const char* field) {
    const std::uint64_t value = root.count(field, kMaxSide);
    if (value == 0) root.fail(field, fmt::format("from 1 to {}", kMaxSide));
    return static_cast<std::int64_t>(value);
  };
  manifest.height = side("height");
  manifest.width = side("width");
  manifest.channels = side("channels");
  if (manifest.channels != 1 && manifest.channels != 3) root.fail("channels", "1 or 3");
  if (root.text("layout") != kLayout) root.fail("layout", "\"HWC\"");
  const std::optional<Storage> storage = find_storage(root.text("storage"));
  if (!storage) root.fail("storage", "\"raw\", \"keep\" or \"jpeg:1\" to \"jpeg:100\"");
  manifest.form.storage = *storage;
  manifest.form.target.height = manifest.height;
  manifest.form.target.width = manifest.width;
  manifest.form.target.channels = manifest.channels;
  manifest.shard_images = root.count("shard_images", UINT32_MAX);
  if (manifest.shard_images == 0) root.fail("shard_images", "at least 1");
}

bool is_of_valley(const json& manifest) {
  if (!manifest.is_object()) return false;
  const auto format = manifest.find("format");
  return format != manifest.end() && *format == kFormat;
}

}  // namespace

std::uint64_t Manifest::reject_count() const {
  std::uint64_t count = 0;
  for (const auto& [reason, images_of_it] : rejects) count += images_of_it;
  return count;
}

std::uint64_t Manifest::bytes() const {
  std::uint64_t total = 0;
  for (const ShardEntry& entry : shards) total += entry.bytes;
  return total;
}

std::string to_json(const Manifest& manifest) {
  ordered_json histogram = ordered_json::object();
  for (const auto& [label, count] : manifest.class_histogram)
    histogram[std::to_string(label)] = count;
  ordered_json rejects = ordered_json::object();
  for (const auto& [reason, count] : manifest.rejects) rejects[reason] = count;
  ordered_json shards = ordered_json::array();
  for (const ShardEntry& entry : manifest.shards)
    shards.push_back(entry_to_json(entry, manifest.form.storage.is_encoded()));
  ordered_json root = {
      {"format", kFormat},
      {"format_version", kFormatVersion},
      {"state", manifest.complete ? "complete" : "building"},
      {"dataset_uuid", manifest.dataset_uuid},
      {"fingerprint", manifest.fingerprint},
      {"images", manifest.images},
      {"height", manifest.height},
      {"width", manifest.width},
      {"channels", manifest.channels},
      {"layout", kLayout},
      {"storage", storage_name(manifest.form.storage)},
      {"shard_images", manifest.shard_images},
      {"mean", manifest.mean},
      {"deviation", manifest.deviation},
      {"class_names", manifest.class_names},
      {"class_histogram", histogram},
      {"candidates", manifest.candidates},
      {"next_candidate", manifest.next_candidate},
      {"rejects", rejects},
      {"writer_version", manifest.writer_version},
      {"parameters", parse_json<ordered_json>(manifest.parameters_json, "parameters")},
      {"shards", shards}};
  if (!manifest.label_vector_names.empty()) {
    root[kVectorNamesField] = manifest.label_vector_names;
    root[kVectorMeansField] = manifest.label_vector_means;
  }
  root[kDigestKey] = json_digest(json(root));
  return write_json(root, 1) + "\n";
}

Manifest parse_manifest(const std::string& text, const std::string& name) {
  const json parsed = parse_json(text, name);
  const JsonFields root(parsed, name, "");
  if (!is_of_valley(parsed)) {
    throw Error(
        ExitCode::kData,
        "{}: its field format is missing or not \"{}\", so it is not the manifest of a data set of "
        "valley shard build; name the folder that valley shard build made",
        name, kFormat);
  }
  if (root.count("format_version") != kFormatVersion)
    root.fail("format_version", fmt::format("{}, which this program reads", kFormatVersion));
  Manifest manifest;
  const std::string state = root.text("state");
  if (state != "complete" && state != "building") root.fail("state", "complete or building");
  manifest.complete = state == "complete";
  manifest.dataset_uuid = root.text("dataset_uuid");
  manifest.writer_version = root.text("writer_version");
  manifest.fingerprint = manifest.complete ? root.sha256("fingerprint") : root.text("fingerprint");
  read_shape(manifest, root);
  manifest.mean = root.numbers("mean");
  manifest.deviation = root.numbers("deviation");
  if (manifest.complete && (manifest.mean.size() != static_cast<std::size_t>(manifest.channels) ||
                            manifest.deviation.size() != manifest.mean.size()))
    root.fail("mean", "one number per channel, like deviation");
  manifest.class_names = root.texts("class_names");
  manifest.class_histogram = histogram_from_json(root);
  if (parsed.contains(kVectorNamesField)) {
    manifest.label_vector_names = root.texts(kVectorNamesField);
    manifest.label_vector_means = root.numbers(kVectorMeansField);
    if (manifest.complete &&
        manifest.label_vector_means.size() != manifest.label_vector_names.size())
      root.fail(kVectorMeansField, fmt::format("one number per name in {}", kVectorNamesField));
  }
  manifest.candidates = root.count("candidates");
  manifest.next_candidate = root.count("next_candidate");
  manifest.rejects = rejects_from_json(root);
  const json& parameters = root.object("parameters");
  manifest.parameters_json = write_json(parameters);
  if (manifest.form.storage.kind == StorageKind::kKeep)
    read_record_form(manifest.form, JsonFields(parameters, name, "parameters"));
  const json& shards = root.list("shards");
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const JsonFields fields(shards[i], name, fmt::format("shards[{}]", i));
    manifest.shards.push_back(entry_from_json(fields, manifest.form.storage.is_encoded()));
    check_entry(manifest, i, i + 1 == shards.size(), fields);
    manifest.images += manifest.shards.back().images;
  }
  if (root.count("images") != manifest.images)
    root.fail("images", fmt::format("{}, the sum over the shards", manifest.images));
  if (manifest.complete && manifest.images == 0) root.fail("images", "at least 1");
  // Last, because a message about a field says more.
  if (!fits_json_digest(parsed))
    throw Error(ExitCode::kData,
                "{}: damaged or edited: its contents do not match its field \"{}\"; restore it, or "
                "build the data set again",
                name, kDigestKey);
  return manifest;
}

bool holds_dataset(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kManifestFile;
  if (type_of_file(path) != std::filesystem::file_type::regular) return false;
  if (is_there(directory / shard_file_name(0))) return true;
  return is_of_valley(try_parse_json(read_file(path, {.max_bytes = kMaxManifestBytes})));
}

Manifest read_manifest(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kManifestFile;
  const std::filesystem::file_type type = type_of_file(directory);
  if (type == std::filesystem::file_type::regular)
    throw Error(ExitCode::kMissingInput,
                "{} is a file; a data set is the folder that valley shard build makes",
                directory.string());
  if (type != std::filesystem::file_type::directory)
    throw Error(ExitCode::kMissingInput,
                "{}: no such directory; make a data set with valley shard build --dest {}{}",
                directory.string(), directory.string(), tilde_hint(directory.string()));
  if (!is_there(path))
    throw Error(ExitCode::kMissingInput,
                "{} holds no {}: not a data set of valley shard build, or its build never finished "
                "a shard",
                directory.string(), kManifestFile);
  std::error_code none;
  const std::uintmax_t bytes = std::filesystem::file_size(path, none);
  if (!none && bytes > kMaxManifestBytes)
    throw Error(ExitCode::kData, "{} has {} bytes, too many for a manifest", path.string(), bytes);
  return parse_manifest(read_file(path, {.max_bytes = kMaxManifestBytes}), path.string());
}

void set_sums(ShardEntry& entry, const PixelSums& sums, std::int64_t channels) {
  entry.sum.assign(sums.sum.begin(), sums.sum.begin() + channels);
  entry.sum_squares.assign(sums.sum_squares.begin(), sums.sum_squares.begin() + channels);
}

void set_statistics(Manifest& manifest) {
  manifest.mean.clear();
  manifest.deviation.clear();
  const double pixels =
      static_cast<double>(manifest.images) * static_cast<double>(manifest.height * manifest.width);
  for (std::size_t c = 0; c < static_cast<std::size_t>(manifest.channels); ++c) {
    std::uint64_t sum = 0;
    std::uint64_t sum_squares = 0;
    for (const ShardEntry& entry : manifest.shards) {
      sum += entry.sum[c];
      sum_squares += entry.sum_squares[c];
    }
    const double mean = static_cast<double>(sum) / pixels;
    const double variance = static_cast<double>(sum_squares) / pixels - mean * mean;
    manifest.mean.push_back(mean);
    manifest.deviation.push_back(std::sqrt(std::max(0.0, variance)));
  }
}

}  // namespace valley
