#include "data/builder.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_type.h"
#include "data/build_parameters.h"
#include "data/build_parts.h"
#include "data/chunk_queue.h"
#include "data/finish.h"
#include "data/manifest.h"
#include "data/ordered_decoder.h"
#include "data/rejects_file.h"
#include "data/shard_check.h"
#include "data/shard_writer.h"
#include "data/source_listing.h"
#include "image/decode.h"
#include "image/jpeg_decoder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kShardOverhead = std::uint64_t{4} << 20U;  // alignment and rows
constexpr std::chrono::milliseconds kBetweenProgress{200};

void check_storage(const ImageSource& source, const BuildOptions& options) {
  if (options.storage.kind == StorageKind::kJpeg && jpeg_library().empty())
    throw Error(ExitCode::kUsage, "--storage {}: {}", storage_name(options.storage),
                missing_codec("JPEG", kJpegPackage).detail);
  const bool needs_files = options.storage.kind == StorageKind::kKeep || options.copies_records;
  if (needs_files && !source.decoding())
    throw Error(
        ExitCode::kUsage,
        "--storage {} stores files of images unchanged, but the source (or one of several) "
        "holds none, as fonts and arrays, or several sources are decoded in different ways; "
        "use --storage raw or jpeg:95",
        storage_name(options.storage));
}

void check_options(const ImageSource& source, const BuildOptions& options) {
  const Target& target = options.target;
  constexpr std::int64_t kMaxSide = 16384;
  if (target.height < 1 || target.width < 1 || target.height > kMaxSide || target.width > kMaxSide)
    throw Error(ExitCode::kUsage, "--resolution {}x{}: sides go from 1 to {}", target.width,
                target.height, kMaxSide);
  if (options.shard_images == 0 || options.shard_images % kShardGranularity != 0)
    throw Error(ExitCode::kUsage, "--shard-images {}: must be a multiple of {}",
                options.shard_images, kShardGranularity);
  if (options.max_images && *options.max_images == 0)
    throw Error(ExitCode::kUsage, "--max-images must be at least 1");
  if (options.shuffle_seed && *options.shuffle_seed > INT64_MAX)
    throw Error(ExitCode::kUsage, "--shuffle-seed must be below 2^63");
  check_storage(source, options);
  if (source.size() == 0)
    throw Error(ExitCode::kData, "the source holds no image that could be stored");
}

std::uint64_t max_images(const ImageSource& source, const BuildOptions& options) {
  return std::min(source.size(), options.max_images.value_or(UINT64_MAX));
}

std::string describe(const std::map<std::string, std::uint64_t>& rejects) {
  std::string text;
  for (const auto& [reason, count] : rejects)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", reason, count);
  return text;
}

class Builder {
 public:
  Builder(const ImageSource& source, const BuildOptions& options)
      : source_(source),
        options_(options),
        directory_(options.destination),
        candidate_at_(build_order(source, options)) {}

  BuildReport run();

 private:
  void start();
  void resume();
  [[nodiscard]] std::uint64_t candidate_at(std::uint64_t position) const {
    return candidate_at_(position);
  }
  [[nodiscard]] std::uint64_t room() const;  // number of images that may still be added
  void require_room_on_disk() const;
  [[nodiscard]] std::unique_ptr<DecodedStream> open_stream();
  void store_shard(DecodedStream& stream);
  void fill(ShardWriter& shard, DecodedStream& stream);
  void add(ShardEntry shard);
  void keep_journal();
  void reject(Decoded& decoded);
  void check_error_rate(std::uint64_t of);
  [[nodiscard]] std::vector<std::pair<std::int64_t, std::string>> empty_classes() const;
  void report_progress(std::uint64_t in_shard);
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(Clock::now() - began_).count();
  }

  const ImageSource& source_;
  const BuildOptions& options_;
  fs::path directory_;
  std::function<std::uint64_t(std::uint64_t)> candidate_at_;
  Manifest manifest_;
  std::vector<RejectedImage> rejects_;
  std::uint64_t position_ = 0;  // next candidate
  std::uint64_t resumed_images_ = 0;
  std::size_t name_width_ = 1;
  Clock::time_point began_ = Clock::now();
  Clock::time_point last_progress_ = began_;
};

std::uint64_t Builder::room() const {
  const std::uint64_t limit = options_.max_images.value_or(UINT64_MAX) - manifest_.images;
  return std::min(limit, source_.size() - position_);
}

// The size of encoded images is unknown: only that of the rows is required then.
void Builder::require_room_on_disk() const {
  const std::uint64_t shards = (room() + options_.shard_images - 1) / options_.shard_images;
  const std::uint64_t pixels = options_.storage.is_encoded() ? 0 : room() * manifest_.image_bytes();
  require_free_space(directory_, pixels + shards * kShardOverhead);
}

void Builder::start() {
  if (options_.existing == Existing::kResume && is_there(directory_ / kManifestFile)) {
    resume();
    return;
  }
  remove_dataset(directory_);
  manifest_ = new_manifest(source_, options_);
  keep_listing(directory_, source_.listing());
}

void Builder::resume() {
  manifest_ = read_manifest(directory_);
  require_same_listing(directory_, source_.listing());
  require_same_parameters(manifest_.parameters_json, build_parameters(source_, options_),
                          directory_.string());
  if (const std::string writer = writer_version(); manifest_.writer_version != writer)
    throw Error(ExitCode::kUsage,
                "{} was started by {}; this is {}, whose bytes may differ: --overwrite rebuilds it",
                directory_.string(), manifest_.writer_version, writer);
  position_ = manifest_.next_candidate;
  if (position_ > source_.size())
    throw Error(ExitCode::kData, "{}: next_candidate is {}, but the source has {}",
                (directory_ / kManifestFile).string(), position_, source_.size());
  rejects_ = read_rejects(directory_, position_);
  resumed_images_ = manifest_.images;
  remove_leftovers(directory_, manifest_.shards.size(),
                   options_.chunks != nullptr ? options_.chunks->find_earlier(directory_, manifest_)
                                              : std::set<std::string>());
  for (std::uint64_t i = 0; i < manifest_.shards.size(); ++i)
    static_cast<void>(open_and_hash_shard(directory_, manifest_, i));
}

// Rejects first, so that a manifest never counts rejects that rejects.jsonl lacks.
void Builder::keep_journal() {
  write_rejects(directory_, rejects_);
  manifest_.next_candidate = position_;
  manifest_.rejects = count_by_reason(rejects_);
  write_file(directory_ / kManifestFile, to_json(manifest_));
}

void Builder::reject(Decoded& decoded) {
  rejects_.push_back({position_, source_.name(decoded.candidate), std::move(decoded.reject->reason),
                      std::move(decoded.reject->detail)});
  check_error_rate(source_.size());
  if (!options_.fail_on_reject) return;
  write_rejects(directory_, rejects_);
  const RejectedImage& last = rejects_.back();
  throw Error(ExitCode::kData,
              "{}: {} ({}), and --on-error is fail. The data set is unfinished: fix the source and "
              "rebuild with --overwrite, or continue with --resume and --on-error skip",
              last.name, last.reason, last.detail);
}

void Builder::check_error_rate(std::uint64_t of) {
  const double rate = static_cast<double>(rejects_.size()) / static_cast<double>(of);
  if (rate <= options_.max_error_rate) return;
  write_rejects(directory_, rejects_);
  throw Error(
      ExitCode::kData,
      "{} of {} images are rejected ({:.2f} %), more than --max-error-rate {} allows: {}; "
      "see {}. The data set is unfinished: fix the source and rebuild with --overwrite, "
      "or continue with --resume and a higher --max-error-rate (1 allows any number of rejects)",
      rejects_.size(), of, 100 * rate, options_.max_error_rate, describe(count_by_reason(rejects_)),
      (directory_ / kRejectsFile).string());
}

void Builder::report_progress(std::uint64_t in_shard) {
  const Clock::time_point now = Clock::now();
  if (!options_.progress || now - last_progress_ < kBetweenProgress) return;
  last_progress_ = now;
  options_.progress({position_, source_.size(), manifest_.images + in_shard,
                     manifest_.shards.size(), rejects_.size(), seconds()});
}

void Builder::fill(ShardWriter& shard, DecodedStream& stream) {
  while (!shard.is_full() && position_ < source_.size()) {
    Decoded decoded = stream.next();
    if (decoded.reject) {
      reject(decoded);
    } else {
      shard.add(decoded, source_.name(decoded.candidate), source_.label(decoded.candidate),
                source_.label_vector(decoded.candidate));
    }
    ++position_;
    report_progress(shard.size());
  }
}

void Builder::add(ShardEntry shard) {
  manifest_.images += shard.images;
  manifest_.shards.push_back(std::move(shard));
}

std::unique_ptr<DecodedStream> Builder::open_stream() {
  if (options_.chunks != nullptr)
    return options_.chunks->open(directory_, manifest_, position_, candidate_at_);
  source_.expect_order({candidate_at_, position_, source_.size()});
  return std::make_unique<OrderedDecoder>(source_, make_form(options_), candidate_at_, position_,
                                          source_.size(), std::max(1U, options_.jobs));
}

void Builder::store_shard(DecodedStream& stream) {
  const std::uint64_t index = manifest_.shards.size();
  const std::uint64_t capacity = std::min(room(), options_.shard_images);
  if (std::optional<ShardEntry> taken = stream.take_shard(index, capacity)) {
    position_ += taken->images;
    add(*std::move(taken));
  } else {
    ShardWriter shard(directory_, make_header(manifest_, options_, index, manifest_.images),
                      capacity, name_width_);
    fill(shard, stream);
    if (shard.size() > 0) add(shard.commit());
  }
  keep_journal();
  stream.journaled(position_);
}

std::vector<std::pair<std::int64_t, std::string>> Builder::empty_classes() const {
  std::set<std::int64_t> empty;
  for (std::uint64_t position = 0; position < position_ && !rejects_.empty(); ++position) {
    const std::int64_t label = source_.label(candidate_at(position));
    if (label >= 0 && !manifest_.class_histogram.contains(label)) empty.insert(label);
  }
  std::vector<std::pair<std::int64_t, std::string>> classes;
  for (const std::int64_t label : empty) {
    const auto index = static_cast<std::size_t>(label);
    classes.emplace_back(label,
                         index < manifest_.class_names.size() ? manifest_.class_names[index] : "");
  }
  return classes;
}

BuildReport Builder::run() {
  const DestinationLock lock(directory_);
  start();
  require_room_on_disk();
  // A complete data set may be in use: it never becomes unfinished again.
  if (!manifest_.complete) keep_journal();
  if (!manifest_.complete && room() > 0) {
    name_width_ = longest_name(source_);
    const std::unique_ptr<DecodedStream> stream = open_stream();
    while (room() > 0) store_shard(*stream);
  }
  check_error_rate(position_);
  if (manifest_.images == 0)
    throw Error(ExitCode::kData, "no image could be stored: {}; see {}",
                describe(manifest_.rejects), (directory_ / kRejectsFile).string());
  finish_dataset(directory_, manifest_);
  remove_listing(directory_);
  return {manifest_.images,  resumed_images_, manifest_.shards.size(), manifest_.bytes(), position_,
          manifest_.rejects, empty_classes(), manifest_.fingerprint,   seconds()};
}

}  // namespace

BuildReport build_dataset(const ImageSource& source, const BuildOptions& options) {
  check_options(source, options);
  check_destination(options.destination, options.existing);
  return Builder(source, options).run();
}

BuildPlan plan_build(const ImageSource& source, const BuildOptions& options) {
  check_options(source, options);
  check_destination(options.destination, options.existing);
  BuildPlan plan;
  plan.candidates = source.size();
  plan.images = max_images(source, options);
  plan.shards = (plan.images + options.shard_images - 1) / options.shard_images;
  plan.bytes =
      plan.images * static_cast<std::uint64_t>(options.target.height * options.target.width *
                                               options.target.channels);
  plan.parameters_json = build_parameters(source, options);
  return plan;
}

}  // namespace valley
